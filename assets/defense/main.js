// The Defense page: models in fixed columns under one attack, one ε, one selection.

const boards = new WeakMap();

function createBoard(root) {
  const scrubber = createScrubber({ name: "ε", text: epsilonText, play: "Play ε from 0 upwards" });
  const kinds = el("div", { class: "choice kinds", role: "group", "aria-label": "Pictures shown" });
  const body = el("div", { class: "columns" });
  const state = { scene: null, colors: null, frame: 0, kind: "adversarial", selected: null, hovered: null, chosen: null };
  const board = { commit: () => {} };
  const shared = {
    changed: () => scrubber.redraw(),
    hover: (sample) => { if (sample !== state.hovered) { state.hovered = sample; mark(); } },
    select: (sample) => { state.selected = sample === state.selected ? null : sample; mark(); },
    frame: () => state.frame,
    epsilons: () => state.scene.epsilons,
    file: () => `${state.scene.file}-at-${epsilonText(state.scene.epsilons[state.frame])}`,
  };
  const columns = [];
  const rule = el("p", { class: "note" });
  const curves = createPanel(el("div", { class: "curves" }), "Scores over ε", "curve");
  const lines = createLines(curves, scrubber);
  curves.tools.append(exporter(() => lines.drawing, () => `${state.scene.file}-curves`, ["PNG", "SVG"]));
  root.replaceChildren(scrubber.node, el("div", { class: "over" }, el("span", {}, "Pictures:"), kinds), body, curves.parentElement, rule);

  function mark() {
    for (const column of columns) column.mark(state.selected, state.hovered);
  }

  // The samples that fit what is chosen in every column; null for all.
  function chosenRows(frame) {
    const sets = columns.map((column) => column.rows(frame)).filter(Boolean);
    return sets.length ? new Set([...sets[0]].filter((i) => sets.every((rows) => rows.has(i)))) : null;
  }

  scrubber.onshow = (frame) => {
    state.frame = frame;
    const started = performance.now();
    state.chosen = chosenRows(frame);
    scrubber.say(state.scene.verdicts[frame]);
    for (const column of columns) column.paint(frame, state.chosen, state.kind);
    lines.paint(frame);
    mark();
    root.dataset.drawMs = (performance.now() - started).toFixed(2);
  };
  scrubber.oncommit = (epsilon) => board.commit("epsilon", epsilon);

  for (const [kind, text] of Object.entries(KINDS)) {
    const button = el("button", { type: "button", "aria-pressed": String(kind === state.kind) }, text);
    button.onclick = () => {
      state.kind = kind;
      for (const other of kinds.children) other.setAttribute("aria-pressed", String(other === button));
      scrubber.redraw();
    };
    kinds.append(button);
  }

  // Samples whose pictures came, those that move first in the first column in front.
  function order(scene) {
    const first = (sample) => {
      for (let f = 1; f < scene.frames; f++) if (hasMoved(scene, f, sample)) return f;
      return scene.total;
    };
    return [...scene.shown].sort((a, b) => first(a) - first(b) || a - b);
  }

  board.update = (bytes) => {
    const scene = unpack(bytes);
    state.colors = applyTheme(root, scene);
    const scenes = scene.columns.map(({ model }) => (scene[model] ? decode(scene[model]) : null));
    const first = scenes.find(Boolean);
    if (state.scene && state.scene.identity !== scene.identity) {
      state.selected = state.hovered = null;
      for (const column of columns) column.selection.read("");
    }
    state.scene = scene;
    body.style.setProperty("--count", scene.columns.length);
    scene.columns.forEach((facts, i) => {
      if (!columns[i]) {
        columns.push(createColumn(body, shared));
        scrubber.node.append(columns[i].selection.node);
      }
      columns[i].build(facts, scenes[i], scene[`${facts.model}_matrices`] ?? null, state.colors, first ? order(first) : []);
    });
    setText(rule, `${scene.rule} ● stayed, ◆ moved on the map, which is each model's own; grey are other clean samples. `
      + "Matrices: rows are labels, columns clusters in the order of the labels they match. What you point at, click, or pick in one column shows in all.");
    lines.build(scene, state.colors);
    scrubber.update({ values: scene.epsilons, frames: scene.frames, start: scene.start, identity: scene.identity });
    root.dataset.frames = String(scene.frames);
  };

  const watcher = new ResizeObserver(() => {
    if (!state.scene) return;
    lines.build(state.scene, state.colors);
    lines.paint(state.frame);
  });
  watcher.observe(root);
  board.destroy = () => { scrubber.destroy(); watcher.disconnect(); for (const column of columns) column.destroy(); };
  return board;
}

export default function mount({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".defense");
  if (!root || !data) return;
  if (!boards.has(root)) boards.set(root, createBoard(root));
  const board = boards.get(root);
  board.commit = setStateValue;
  try {
    board.update(data);
  } catch (error) {
    console.error(error);
    root.replaceChildren(el("p", {}, "This browser could not draw the columns. Reload the page; its console has the details."));
  }
  return () => { board.destroy(); boards.delete(root); };
}
