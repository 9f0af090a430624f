"""Programs that break a night on purpose: kills, full disks, crowds, ticks, bad apples, shards.

Each is run as ``python -m tools.faults.<part>`` and prints what it found as JSON; tests run short
forms of them and ``python -m benchmarks.faults`` the long ones.
"""
