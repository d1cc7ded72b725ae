// The scores at this ε, and the confusion matrices before and after.

const DENSE = 14; // with more rows than this, a matrix shows shades only

function createScores(panel) {
  const body = el("tbody");
  const head = el("tr");
  const table = el("table", { class: "scores" }, el("thead", {}, head), body);
  const protocol = el("p", { class: "note" });
  const command = el("code", { class: "command" });
  panel.append(el("div", { class: "scroll" }, table), protocol, el("p", { class: "note" }, "To repeat it in a terminal:"), command);

  function paint(scene, frame) {
    head.replaceChildren(el("td"), ...scene.heads.map(([name, what]) => el("th", { scope: "col", title: what }, name)));
    body.replaceChildren(...scene.table[frame].map(({ role, name, cells }) =>
      el("tr", { class: `role-${role}` }, el("th", { scope: "row" }, name), ...cells.map((cell) => el("td", {}, cell)))));
    setText(protocol, scene.protocol);
    setText(command, scene.command);
  }
  return { paint, table };
}

function createMatrix(panel, stage, after) {
  const table = el("table", { class: "matrix" });
  panel.append(el("div", { class: "scroll" }, table), el("p", { class: "note" }, "Rows: labels. Columns: clusters, in the order of the labels they match (∅: none)."));
  let scene, cells = [], built = "", last = null;

  function cell(label, cluster) {
    const node = el("td");
    if (scene.matched[cluster] === label) node.className = "diagonal";
    node.onclick = () => stage.filter({ kind: "cell", now: after, label, cluster });
    node.onkeydown = (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); node.onclick(); } };
    node.onfocus = () => { last.tabIndex = -1; node.tabIndex = 0; last = node; };
    node.tabIndex = -1;
    return node;
  }

  function build(next) {
    scene = next;
    const shape = JSON.stringify([scene.classes, scene.clusters, scene.columns]);
    if (shape !== built) layOut();
    built = shape;
  }

  function layOut() {
    const long = scene.clusters.some((name) => name.length > 2);
    table.classList.toggle("upright", long);
    table.classList.toggle("dense", scene.classes.length > DENSE);
    table.setAttribute("aria-label", `Labels by clusters, ${after ? `at this ${scene.symbol}` : "clean"}`);
    cells = scene.classes.map((_, label) => scene.columns.map((cluster) => cell(label, cluster)));
    last = cells[0][0];
    last.tabIndex = 0;
    const head = el("tr", {}, el("th", { class: "corner" }, ""),
      ...scene.columns.map((k) => el("th", { scope: "col" }, el("span", {}, scene.clusters[k]))));
    table.replaceChildren(el("thead", {}, head), el("tbody", {}, ...scene.classes.map((name, label) =>
      el("tr", {}, el("th", { scope: "row" }, name), ...cells[label]))));
  }

  // Arrows walk over the cells, Enter picks one.
  table.onkeydown = (event) => {
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    const row = step ? cells.findIndex((row) => row.includes(last)) : -1;
    const next = row < 0 ? null : cells[row + step[0]]?.[cells[row].indexOf(last) + step[1]];
    if (next) { event.preventDefault(); next.focus(); }
  };

  function paint(frame) {
    const wide = scene.clusters.length;
    scene.classes.forEach((_, label) => {
      const at = (frame * scene.classes.length + label) * wide;
      const row = scene.counts.subarray(at, at + wide);
      const sum = Math.max(1, row.reduce((total, n) => total + n, 0));
      scene.columns.forEach((cluster, column) => {
        const [node, count] = [cells[label][column], row[cluster]];
        const share = count / sum;
        const picked = stage.selection.has({ kind: "cell", now: after, label, cluster });
        const look = `${count} of ${sum}${picked ? ", picked" : ""}`;
        if (node.look === look) return; // most cells stay as they are from one ε to the next
        node.look = look;
        setText(node, count ? String(count) : "");
        node.style.setProperty("--share", `${Math.round(100 * Math.sqrt(share))}%`);
        node.classList.toggle("strong", share > 0.3);
        node.classList.toggle("picked", picked);
        node.title = `label ${scene.classes[label]}, cluster ${scene.clusters[cluster]}: ${count} of ${sum}`;
      });
    });
  }
  return { build, paint, table };
}
