// A table of the paper: booktabs rules, a number of ours large, the paper's small below. One cell is in the tab order;
// arrows move, Enter or Space chooses. Python hears which cell was chosen, nothing else.

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

const papers = new WeakMap();

function headCells(table) {
  const corner = el("th", { rowspan: "2", class: "corner", scope: "col" }, table.corner);
  const groups = table.groups.map(({ title, note, span }) =>
    el("th", { colspan: String(span), scope: "colgroup", class: "first" }, title, el("small", {}, note)));
  const starts = new Set(table.groups.reduce((ends, { span }) => [...ends, ends.at(-1) + span], [0]));
  const columns = table.columns.map(({ title, note, control }, place) =>
    el("th", { scope: "col", title: note, class: [starts.has(place) && "first", control && "control"].filter(Boolean).join(" ") }, title));
  return { rows: [el("tr", { class: "groups" }, corner, ...groups), el("tr", {}, ...columns)], starts };
}

function bodyCell(cell, column, first, signs) {
  const node = el("td", { role: "gridcell", tabindex: "-1", title: cell.label, "aria-label": cell.label, "data-key": cell.key,
    class: [cell.agreement, first && "first", column.control && "control", !cell.there && "missing"].filter(Boolean).join(" ") });
  node.append(el("b", {}, cell.ours, el("sup", {}, cell.mark)));
  const beside = el("small", {}, cell.paper);
  if (cell.delta) beside.append(el("i", {}, ` ${signs[cell.agreement]}\u2009${cell.delta}`));
  node.append(beside);
  return node;
}

function createPaper(root) {
  const paper = { choose: () => {}, at: [0, 0], cells: [], selected: "" };
  const table = el("table", { class: "paper", role: "grid" });
  const title = el("p", { class: "title" });
  const box = el("div", { class: "scroll" }, table);
  root.replaceChildren(title, box);
  const hint = () => box.classList.toggle("more", box.scrollLeft + box.clientWidth < box.scrollWidth - 4);
  box.onscroll = hint;
  const watcher = new ResizeObserver(hint);
  watcher.observe(box);
  paper.destroy = () => watcher.disconnect();

  // Beside the models' names, which stay where they are.
  function reveal(node) {
    const left = node.offsetLeft - (node.parentElement.firstElementChild.offsetWidth + 16);
    if (left < box.scrollLeft) box.scrollLeft = left;
    else box.scrollLeft = Math.max(box.scrollLeft, node.offsetLeft + node.offsetWidth + 48 - box.clientWidth);
  }

  function stand(row, column, focus) {
    const [old, node] = [paper.cells[paper.at[0]]?.[paper.at[1]], paper.cells[row]?.[column]];
    if (!node) return;
    if (old) old.tabIndex = -1;
    node.tabIndex = 0;
    paper.at = [row, column];
    if (focus) {
      node.focus();
      reveal(node);
    }
  }

  function place(node) {
    const row = paper.cells.findIndex((cells) => cells.includes(node));
    return row < 0 ? null : [row, paper.cells[row].indexOf(node)];
  }

  function pick(node) {
    paper.selected = node.dataset.key === paper.selected ? "" : node.dataset.key;
    mark();
    paper.choose(paper.selected);
  }

  function mark() {
    paper.cells.flat().forEach((node) => node.setAttribute("aria-selected", String(node.dataset.key === paper.selected)));
  }

  table.onclick = (event) => {
    const node = event.target.closest("td");
    if (!node) return;
    stand(...place(node), true);
    pick(node);
  };
  table.onkeydown = (event) => {
    const [row, column] = paper.at;
    if (event.key in STEPS) stand(row + STEPS[event.key][0], column + STEPS[event.key][1], true);
    else if (event.key === "Home") stand(row, 0, true);
    else if (event.key === "End") stand(row, paper.cells[row].length - 1, true);
    else if (event.key === "Enter" || event.key === " ") pick(paper.cells[row][column]);
    else return;
    event.preventDefault();
  };

  paper.update = (data) => {
    applyTheme(root, data);
    const text = JSON.stringify(data);
    if (text === paper.text) return;
    const focused = root.getRootNode().activeElement?.dataset?.key;
    paper.text = text;
    paper.selected = data.selected;
    table.setAttribute("aria-label", data.title);
    const { rows, starts } = headCells(data);
    paper.cells = data.rows.map(({ cells }) =>
      cells.map((cell, place) => bodyCell(cell, data.columns[place], starts.has(place), data.signs)));
    const body = data.rows.map(({ title }, row) => el("tr", {}, el("th", { scope: "row" }, title), ...paper.cells[row]));
    setText(title, data.title);
    table.style.minWidth = `min(100%, ${170 + 110 * data.columns.length}px)`;
    table.replaceChildren(el("thead", {}, ...rows), el("tbody", {}, ...body));
    mark();
    const known = paper.cells.flat().find((node) => node.dataset.key === (focused ?? paper.selected));
    stand(...(known ? place(known) : [0, 0]), Boolean(known && focused));
    if (known && !focused) reveal(known);
    hint();
    root.dataset.ready = data.name;
  };
  return paper;
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".tables");
  if (!root || !data) return;
  if (!papers.has(root)) papers.set(root, createPaper(root));
  const paper = papers.get(root);
  paper.choose = (key) => setStateValue("cell", key);
  try {
    paper.update(data);
  } catch (error) {
    console.error(error);
    root.replaceChildren(el("p", {}, "This browser could not draw the table. Reload the page; its console has the details."));
  }
  return () => { paper.destroy(); papers.delete(root); };
}
