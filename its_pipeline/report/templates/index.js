"use strict";
(() => {
  const table = document.getElementById("t");
  const body = table.tBodies[0];
  // A table of one outcome has neither a column of outcomes nor one of verdicts.
  const text = (row, what) => (row.querySelector(what)?.textContent ?? "").trim();
  const rows = Array.from(body.rows, (row) => ({
    row,
    words: row.textContent.toLowerCase(),
    state: row.dataset.s,
    outcome: text(row, ".what"),
    verdict: text(row, ".how .badge"),
  }));
  const compareText = new Intl.Collator(undefined, { numeric: true }).compare;

  const key = (entry, column, numeric) => {
    const cell = entry.row.cells[column];
    if (!numeric) return cell.textContent.trim();
    return cell.dataset.k === "" ? null : Number(cell.dataset.k);
  };

  const sort = (column, sign) => {
    const first = body.rows.length > 0 ? body.rows[0].cells[column] : null;
    const numeric = first !== null && first.hasAttribute("data-k");
    const within = first !== null && first.classList.contains("eff");
    const keyed = rows.map((entry) => [key(entry, column, numeric), entry]);
    keyed.sort(([a, x], [b, y]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      if (!numeric) return sign * compareText(a, b);
      if (within && x.outcome !== y.outcome) return compareText(x.outcome, y.outcome);
      return sign * (a - b);
    });
    const fragment = document.createDocumentFragment();
    for (const [, entry] of keyed) fragment.append(entry.row);
    body.append(fragment);
  };

  for (const button of table.tHead.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      sort(head.cellIndex, sign);
    });
  }

  const said = (id) => document.getElementById(id)?.value ?? "";
  const ids = ["q", "state", "verdict", "outcome"];
  const filter = () => {
    const [words, state, verdict, outcome] = ids.map(said);
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const entry of rows) {
      const fits =
        (!state || entry.state === state) &&
        (!verdict || entry.verdict === verdict) &&
        (!outcome || entry.outcome === outcome) &&
        wanted.every((word) => entry.words.includes(word));
      entry.row.hidden = !fits;
      shown += fits;
    }
    document.getElementById("shown").textContent = `${shown} of ${rows.length} shown`;
  };
  for (const id of ids) document.getElementById(id)?.addEventListener("input", filter);
  filter();
})();
