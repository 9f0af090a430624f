"""Workers and the process that started them: when it is killed, none of them stays behind."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import psutil

from its_pipeline_tests.support import PROJECT_ROOT


def parent_of_workers(folder, jobs):
    """Start a process with two workers and jobs for them; return it and its workers."""
    script = folder / "parent.py"
    script.write_text(
        textwrap.dedent("""
            import sys, time
            from pathlib import Path
            from its_pipeline.processes.pool import WorkerPool
            from its_pipeline_tests.unit.processes.handlers import start_plain

            if __name__ == "__main__":
                folder, jobs = Path(sys.argv[1]), sys.argv[2:]
                pool = WorkerPool(start_plain, (folder,), workers=2)
                pool.start()
                while pool.state().ready < 2:
                    time.sleep(0.01)
                requests = [pool.submit(job, tuple(job.split())) for job in jobs]
                if "answer" in jobs[0]:
                    requests[0].result()
                while pool.state().running < len(jobs):
                    time.sleep(0.01)
                print(*pool.state().process_ids, flush=True)
                time.sleep(600)
        """)
    )
    parent = subprocess.Popen(
        [sys.executable, str(script), str(folder), *jobs],
        stdout=subprocess.PIPE,
        text=True,
        # The tests are no installed package: the script finds them where this process did.
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
    )
    assert parent.stdout is not None
    return parent, [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]


def test_workers_idle_or_at_work_end_when_their_parent_is_killed(tmp_path):
    parent, workers = parent_of_workers(tmp_path, ["wait_for never"])
    assert len(workers) == 2
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(workers, timeout=20)
    for worker in alive:
        worker.kill()
    assert alive == []


def test_a_worker_whose_parent_is_killed_completes_what_was_answered_and_ends(tmp_path):
    parent, workers = parent_of_workers(tmp_path, ["answer_then_wait_for go"])
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(workers, timeout=2)
    assert len(alive) == 1
    (tmp_path / "go").touch()
    _, alive = psutil.wait_procs(alive, timeout=20)
    for worker in alive:
        worker.kill()
    assert alive == []
    assert (tmp_path / "settled").exists()
