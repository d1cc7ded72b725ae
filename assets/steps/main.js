// Steps: one iteration, and everything that hangs on it. Python hears of it only after the hand has rested.

const LETTERS = "ABCD";
const traces = new WeakMap();

const frameOf = (scene, iteration) => iteration - scene.iterations[0];

function sparse(iterations) {
  const shown = new Set(iterationTicks(iterations).map(([t]) => t));
  return (iteration) => (shown.has(iteration) ? (iteration < 0 ? "clean" : String(iteration)) : "");
}

function readout(scene, frame) {
  const iteration = scene.iterations[frame];
  if (iteration < 0) return "clean";
  return iteration === 0 ? "random start" : `iteration ${iteration} of ${scene.total - 2}`;
}

// What each chart draws of the scene.
const CHARTS = {
  objective: { title: "Objective", read: (scene, active, colors) => ({
    lines: everybody(scene, active, colors, "objective"), about: `The objective over the iterations: ${scene.objective}` }) },
  margin: { title: "Log-margin", read: (scene, active, colors) => ({
    lines: everybody(scene, active, colors, "margin"), zero: true,
    about: "ln p(clean cluster) − ln p(strongest other) over the iterations; below 0 the sample is in another cluster" }) },
  sides: { title: "Probability", read: (scene, active, colors) => ({
    lines: [
      { values: column(scene.lines.kept, active), color: colors.clean, wide: true, name: "clean cluster" },
      { values: column(scene.lines.rival, active), color: colors.adversarial, wide: true, dash: "6 4", name: "strongest other" },
    ], low: 0, high: 1, about: "Probability of the clean cluster and of the strongest other over the iterations" }) },
  largest: { title: "‖δ‖∞", read: (scene, active, colors) => ({
    lines: ofViews(scene, active, colors, "linf"), low: 0, about: "Largest change of any pixel over the iterations, per view" }) },
  length: { title: "‖δ‖₂", read: (scene, active, colors) => ({
    lines: ofViews(scene, active, colors, "l2"), low: 0, about: "Length of the perturbation over the iterations, per view" }) },
};

const column = (rows, sample) => rows.map((row) => row[sample]);

function everybody(scene, active, colors, key) {
  const names = { objective: scene.objective, margin: "ln p(clean cluster) − ln p(strongest other)" };
  const line = (sample) => ({ values: column(scene.lines[key], sample), wide: sample === active,
    color: sample === active ? colors.adversarial : colors.neutral, dash: sample === active ? "" : DASHES[1 + (sample % 3)],
    name: scene.n > 1 ? LETTERS[sample] : names[key] });
  return scene.index.map((_, sample) => line(sample));
}

function ofViews(scene, active, colors, key) {
  return scene.views.map((name, view) => ({ values: column(scene.lines[key][view], active), color: colors.text, wide: view === 0,
    dash: DASHES[view % DASHES.length], name }));
}

function stepButton(sign, what) {
  return el("button", { type: "button", class: "play step", title: what, "aria-label": what }, sign);
}

function createTrace(root) {
  const scrubber = createScrubber({ name: "Iteration", text: (iteration) => state.tick(iteration), play: "Play the iterations" });
  const play = scrubber.node.querySelector(".play");
  const slider = scrubber.node.querySelector("input");
  const [back, forward] = [stepButton("‹", "One iteration back"), stepButton("›", "One iteration on")];
  play.after(back, forward);
  const grid = el("div", { class: "grid" });
  const protocol = el("p", { class: "note" });
  root.replaceChildren(scrubber.node, grid, protocol);
  const state = { scene: null, colors: null, frame: 0, active: 0, touched: false, tick: String, drawn: "" };
  const stage = { commit: () => {} };

  const pictured = createPanel(grid, "Pictures", "pictures");
  const pictures = createPictures(pictured, stage);
  const bars = createBars(createPanel(grid, "Cluster probabilities", "probabilities"));
  const mapped = createPanel(grid, "Way on the map", "mapping");
  const path = createPath(mapped, stage);
  const charts = Object.entries(CHARTS).map(([key, { title, read }]) => {
    const panel = createPanel(grid, title, `over ${key}`);
    const chart = createChart(panel, stage, read);
    panel.tools.append(exporter(() => chart.picture, () => `${state.scene.file}-${key}`, ["PNG", "SVG"]));
    return chart;
  });
  const shaded = createPanel(grid, "Every cluster", "over shades");
  charts.splice(3, 0, createShades(shaded, stage));
  grid.querySelector(".sides").after(shaded);
  shaded.tools.append(exporter(() => charts[3].picture, () => `${state.scene.file}-clusters`, ["PNG", "SVG"]));
  pictured.tools.append(exporter(() => pictures.sheet(), () => `${state.scene.file}-${state.scene.iterations[state.frame]}`, ["PNG"]));
  mapped.tools.append(exporter(() => path.canvas, () => `${state.scene.file}-map`, ["PNG"]));

  const pause = () => { if (play.getAttribute("aria-label") === "Pause") play.click(); };
  stage.grab = (frame) => { state.touched = true; pause(); scrubber.grab(frame); };
  stage.activate = (sample) => {
    state.active = sample;
    for (const chart of charts) chart.build(state.scene, state.colors, sample);
    scrubber.redraw();
  };
  back.onclick = () => stage.grab(state.frame - 1);
  forward.onclick = () => stage.grab(state.frame + 1);
  for (const kind of ["pointerdown", "keydown"]) scrubber.node.addEventListener(kind, () => { state.touched = true; });

  scrubber.onshow = (frame) => {
    const { scene, active } = state;
    const started = performance.now();
    state.frame = frame;
    const said = readout(scene, frame);
    setText(scrubber.node.querySelector("output"), said);
    slider.setAttribute("aria-valuetext", said);
    scrubber.say(scene.verdicts[frame][active]);
    back.disabled = frame === 0;
    forward.disabled = frame === scene.frames - 1;
    pictures.paint(frame, active);
    bars.paint(frame, active);
    path.paint(frame, active);
    for (const chart of charts) chart.paint(frame);
    root.dataset.drawMs = (performance.now() - started).toFixed(2);
  };
  scrubber.oncommit = (iteration) => { if (state.touched) stage.commit(iteration); };

  // Arrow keys and space work wherever the focus is not in something that needs them.
  function onkey(event) {
    const focus = root.getRootNode().activeElement ?? document.activeElement;
    const elsewhere = document.activeElement !== document.body && !root.contains(focus);
    if (elsewhere || !state.scene || event.ctrlKey || event.metaKey || event.altKey || focus === slider) return spaceOnSlider(event, focus);
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) stage.grab(state.frame + step);
    else if (event.key === " " && !(focus instanceof HTMLButtonElement)) press(event);
    else return;
    event.preventDefault();
  }
  function spaceOnSlider(event, focus) {
    if (focus === slider && event.key === " ") { press(event); event.preventDefault(); }
  }
  function press() {
    state.touched = true;
    play.click();
  }
  document.addEventListener("keydown", onkey);

  function build(scene) {
    if (state.scene?.file !== scene.file) state.active = 0;
    state.scene = scene;
    state.tick = sparse(scene.iterations);
    pictures.build(scene);
    bars.build(scene);
    setText(protocol, scene.protocol);
  }

  function draw() {
    path.build(state.scene, state.colors);
    for (const chart of charts) chart.build(state.scene, state.colors, state.active);
  }

  stage.update = (bytes) => {
    const scene = decode(bytes);
    const fresh = state.scene?.id !== scene.id;
    state.colors = applyTheme(root, scene);
    if (fresh) build(scene);
    draw();
    if (!fresh) return scrubber.redraw();
    scrubber.update({ values: scene.iterations, frames: scene.frames, start: null, identity: String(scene.total) });
    const finished = scene.frames === scene.total;
    if (finished && !state.touched && scene.start !== null) scrubber.grab(frameOf(scene, scene.start));
    root.dataset.frames = String(scene.frames);
  };
  const watcher = new ResizeObserver(() => {
    if (!state.scene || state.drawn === String(root.clientWidth)) return;
    state.drawn = String(root.clientWidth);
    draw();
    scrubber.redraw();
  });
  watcher.observe(root);
  stage.destroy = () => {
    scrubber.destroy();
    watcher.disconnect();
    path.destroy();
    pictures.destroy();
    document.removeEventListener("keydown", onkey);
  };
  return stage;
}

export default function mount({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".steps");
  if (!root || !data) return;
  if (!traces.has(root)) traces.set(root, createTrace(root));
  const stage = traces.get(root);
  stage.commit = (iteration) => setStateValue("iteration", iteration);
  try {
    stage.update(data);
  } catch (error) {
    console.error(error);
    root.replaceChildren(el("p", {}, "This browser could not draw the steps. Reload the page; its console has the details."));
  }
  return () => { stage.destroy(); traces.delete(root); };
}
