// One model's column: what it keeps, up to where it holds, what a stronger attack says; its pictures, map and matrices.

function createColumn(root, shared) {
  const node = el("section", { class: "column" });
  const [sign, name, kind] = [el("span", { class: "sign", "aria-hidden": "true" }), el("span"), el("span", { class: "kind" })];
  const [number, of, holding, caveat] = [el("b"), el("span"), el("p", { class: "holding" }), el("p", { class: "caveat" })];
  const command = el("code", { class: "command", hidden: "" });
  const missing = el("p", { class: "missing", hidden: "" });
  const head = el("header", {}, el("h3", {}, sign, name), kind, el("p", { class: "keeps" }, number, of), holding, caveat, missing, command);
  node.append(head);
  root.append(node);

  const selection = createSelection(() => shared.changed());
  const stage = {
    selection,
    selected: null,
    hovered: null,
    hover: (sample) => shared.hover(sample),
    select: (sample) => shared.select(sample),
    filter: (filter) => { // a cell of samples that are not here cannot be picked
      const frame = shared.frame();
      if (!filter.now || figures(frame) === frame) selection.toggle(filter);
    },
    lasso: (rows) => selection.toggle({ kind: "lasso", samples: rows.map((i) => column.scene.index[i]) }),
  };
  const panels = Object.fromEntries([["pictures", "Pictures"], ["mapping", "Map"]]
    .map(([part, title]) => [part, createPanel(node, title, part)]));
  const matrices = el("div", { class: "pair" });
  node.append(el("div", { class: "matrices" }, matrices));
  for (const [part, title] of [["before", "Confusion, clean"], ["after", "Confusion, at this ε"]]) panels[part] = createPanel(matrices, title, part);
  const behind = el("p", { class: "note behind" }, "Clean: run the attack to see this at ε.");
  panels.pictures.append(behind);
  const strip = createStrip(panels.pictures, stage);
  const map = createMap(panels.mapping, stage);
  const before = createMatrix(panels.before, stage, false);
  const after = createMatrix(panels.after, stage, true);
  const protocol = el("p", { class: "note protocol" });
  node.append(protocol);
  const file = (figure) => () => `${shared.file()}-${column.facts.model}-${figure}`;
  panels.mapping.tools.append(exporter(() => map.canvas, file("map"), ["PNG"]));
  panels.after.tools.append(exporter(() => after.table, file("confusion"), ["PNG", "SVG", "CSV"]));

  const column = { node, stage, selection, scene: null, matrices: null, facts: null };
  let dark = null;

  // Figures are built again only for new data or another background. `matrices` are an earlier run's, of every ε.
  column.build = (facts, scene, matrices, colors, order) => {
    const old = column.scene !== null && column.scene.id === scene?.id && dark === colors.dark
      && (column.matrices === null) === (matrices === null);
    column.facts = facts;
    column.matrices = matrices;
    if (!old) column.scene = scene;
    dark = colors.dark;
    node.style.setProperty("--model", colors[facts.model]);
    setText(sign, facts.sign);
    setText(name, facts.name);
    setText(kind, facts.kind);
    node.classList.toggle("empty", !scene);
    node.dataset.model = facts.model;
    node.dataset.frames = String(scene ? scene.frames : 0);
    for (const part of [missing, command]) part.hidden = !facts.problem;
    setText(missing, facts.problem);
    setText(command, facts.command);
    if (!scene) return;
    strip.build(column.scene, order);
    if (old) return;
    selection.use(scene);
    selection.node.dataset.model = `${facts.sign} ${facts.name}`;
    map.build(scene, colors);
    setText(panels.mapping.querySelector("h3"), `Map, ${scene.map.split(" ")[0]}`);
    before.build(scene);
    after.build(matrices ? { ...scene, counts: matrices } : scene);
    setText(protocol, scene.protocol);
  };

  // The last frame that this column's figures can show at `frame`, and the last that its numbers can.
  const figures = (frame) => Math.min(frame, column.scene.frames - 1);
  column.rows = (frame) => (column.scene ? selection.rows(figures(frame)) : null);

  column.paint = (frame, chosen, pictureKind) => {
    const { facts, scene } = column;
    if (!scene) return;
    const at = figures(frame);
    words(frame);
    behind.hidden = at === frame || Boolean(facts.problem);
    setText(behind, at ? `At ε = ${epsilonText(shared.epsilons()[at])}, as far as the attack has come.` : "Clean: run the attack to see them at this ε.");
    strip.paint(at, chosen, pictureKind);
    before.paint(0);
    after.paint(column.matrices ? frame : at);
    panels.after.rename(matrixTitle(frame, at));
    map.go(at, chosen);
    selection.paint(selection.rows(at) ?? new Set());
  };

  function matrixTitle(frame, at) {
    if (at === frame) return "Confusion, at this ε";
    if (column.matrices) return "Confusion, at this ε, earlier run";
    return at ? `Confusion, at ε = ${epsilonText(shared.epsilons()[at])}` : "Confusion, not attacked yet";
  }

  function words(frame) {
    const { facts } = column;
    const known = facts.kept.length;
    const there = frame < known;
    setText(number, facts.kept[Math.min(frame, known - 1)]);
    const reached = epsilonText(shared.epsilons()[known - 1]);
    const place = known === 1 || !frame ? " ACC, clean" : there ? ` of ${facts.kept[0]} ACC kept` : ` ACC at ε = ${reached}, no further yet`;
    setText(of, place);
    setText(holding, facts.problem ? "" : `${frame > 0 && there ? (frame <= facts.held ? "✓ " : "▼ ") : ""}${facts.holding}`);
    setText(caveat, facts.caveats[frame] ?? "");
    node.classList.toggle("fallen", there && frame > facts.held);
    node.classList.toggle("doubted", Boolean(facts.contradicted[frame]));
  }

  column.mark = (selected, hovered) => {
    if (!column.scene) return;
    [stage.selected, stage.hovered] = [selected, hovered];
    strip.mark(selected, hovered);
    map.redraw();
    map.tell(hovered);
  };
  column.destroy = () => map.destroy();
  return column;
}
