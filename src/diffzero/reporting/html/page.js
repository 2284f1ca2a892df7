"use strict";

// Return the number at the start of a cell ("97.5 [87.1, 99.6]", "1,236.8", "+2.1", "< 0.0001"); null for words and missing values.
function number(text) {
  const found = text.replace(/,/g, "").replace(/−/g, "-").match(/^<?\s*([+-]?\d+(?:\.\d+)?)/);
  return found ? Number(found[1]) : null;
}

function compare(first, second) {
  const [a, b] = [number(first), number(second)];
  if (a !== null && b !== null) return a - b;
  return first.localeCompare(second, "en", { numeric: true });
}

// Cells without a value stay at the end in both directions.
function sort(header) {
  const table = header.closest("table");
  const column = header.cellIndex;
  const down = header.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", down ? "descending" : "ascending");
  const text = (row) => row.cells[column].textContent.trim();
  const absent = (row) => ["", "–", "n/a"].includes(text(row));
  const rows = [...table.tBodies[0].rows].sort(
    (a, b) => absent(a) - absent(b) || (down ? -1 : 1) * compare(text(a), text(b)),
  );
  table.tBodies[0].append(...rows);
}

// A word in the header of a table matches all its rows: the models of Table 3 are in its header.
function filter(words) {
  const has = (text) => words.every((word) => text.toLowerCase().includes(word));
  let rows = 0;
  let figures = 0;
  for (const section of document.querySelectorAll("section.tables")) {
    let any = false;
    for (const table of section.querySelectorAll("table")) {
      const head = `${document.getElementById(table.getAttribute("aria-labelledby")).textContent} ${table.tHead.textContent}`;
      for (const row of table.tBodies[0].rows) {
        row.hidden = !has(`${head} ${row.textContent}`);
        any ||= !row.hidden;
        rows += row.hidden ? 0 : 1;
      }
    }
    section.hidden = words.length > 0 && !any;
  }
  for (const figure of document.querySelectorAll("figure")) {
    figure.hidden = !has(`${figure.textContent} ${figure.dataset.about}`);
    figures += figure.hidden ? 0 : 1;
  }
  document.getElementById("shown").textContent = words.length ? `${rows} table rows and ${figures} figures` : "";
}

for (const header of document.querySelectorAll("th")) {
  header.querySelector("button").addEventListener("click", () => sort(header));
}
const input = document.getElementById("filter");
input.addEventListener("input", () => filter(input.value.toLowerCase().split(/\s+/).filter(Boolean)));
input.form.addEventListener("submit", (event) => event.preventDefault());
