// Two trainings in the plane on one scrubber over their epochs, and one point that is dragged about in both.

const planes = new WeakMap();

function createPlane(root) {
  const scrubber = createScrubber({ name: "Training", text: (share) => `${Math.round(100 * share)} %`, play: "Watch the regions form" });
  const body = el("div", { class: "columns" }), legend = el("p", { class: "legend" });
  const stage = { point: [0.5, 0.5], move: () => {}, rest: () => {} };
  const plane = { commit: () => {} };
  let scene = null, colors = null, columns = [], resting = 0, width = 0;

  function show(frame) {
    if (!scene) return;
    root.dataset.frame = String(frame);
    scene.runs.forEach((run, i) => columns[i].show(scene, run, Math.round((frame / Math.max(1, scene.total - 1)) * (run.total - 1)), colors));
  }
  scrubber.onshow = show;
  stage.move = (point) => {
    stage.point = point;
    columns.forEach((column) => column.redraw());
  };
  stage.rest = () => {
    clearTimeout(resting);
    resting = setTimeout(() => plane.commit(stage.point.map((value) => Math.round(1000 * value) / 1000)), 700);
  };

  function build() {
    columns = scene.runs.map(() => createColumn(stage));
    body.replaceChildren(...columns.map((column) => column.node));
    legend.replaceChildren(
      ...scene.class_names.map((name, c) => el("span", {}, el("i", { style: `background: ${scene.palette[c]}; border-radius: ${c ? 0 : 50}%` }), name)),
      el("span", { class: "key-clean" }, "◯ radius in which nothing can flip the point"),
      el("span", { class: "key-adversarial" }, "─○ worst change found"),
    );
    root.replaceChildren(scrubber.node, legend, body);
  }

  plane.update = (bytes) => {
    const next = unpack(bytes);
    next.n = next.labels.length;
    for (const [i, run] of next.runs.entries()) {
      run.key = `${next.id}-${i}`;
      for (const name of ["weights", "centres", "distances"]) run[name] = next[`${name}${i}`];
      run.frames = run.epochs.length;
    }
    colors = applyTheme(root, next);
    colors.paper = colors.background.match(/\d+/g).map(Number);
    const fresh = scene?.id !== next.id;
    const other = scene?.identity !== next.identity;
    scene = next;
    if (other) {
      stage.point = next.point;
      build();
    }
    if (fresh) scrubber.update({ values: Array.from({ length: next.total }, (_, i) => i / Math.max(1, next.total - 1)), frames: next.ready, start: null, identity: next.identity });
    else scrubber.redraw();
    scrubber.say(next.sentence);
    root.dataset.frames = String(next.ready);
  };
  const watcher = new ResizeObserver(() => {
    if (!scene || root.clientWidth === width) return;
    width = root.clientWidth;
    scrubber.redraw();
  });
  watcher.observe(root);
  plane.destroy = () => { scrubber.destroy(); watcher.disconnect(); clearTimeout(resting); };
  return plane;
}

export default function mount({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".plane");
  if (!root || !data) return;
  if (!planes.has(root)) planes.set(root, createPlane(root));
  const plane = planes.get(root);
  plane.commit = (point) => setStateValue("point", point);
  try {
    plane.update(data);
  } catch (error) {
    console.error(error);
    root.replaceChildren(el("p", {}, "This browser could not draw the plane. Reload the page; its console has the details."));
  }
  return () => { plane.destroy(); planes.delete(root); };
}
