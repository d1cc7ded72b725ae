// The followed samples, large: clean, perturbation, adversarial, a row a view. A click makes a sample the active one.

const TALLEST = 470; // CSS pixels of all views of a sample
const NARROWEST = 240; // CSS pixels of its three pictures side by side

function createPictures(panel, stage) {
  const list = el("div", { class: "samples" });
  const note = el("p", { class: "note" });
  panel.append(list, note);
  let scene, table, rows = [], cards = [], built = "";

  function card(sample) {
    const title = el("span", { class: "sample" });
    const canvases = scene.views.map((name, view) => {
      const { width, height } = rows[view].image;
      const canvas = el("canvas", { width, height, role: "img" });
      canvas.style.width = `calc(var(--zoom) * ${width}px)`;
      return canvas;
    });
    const heads = el("span", { class: "heads" }, el("span", { class: "key-clean" }, "clean"),
      el("span", {}, "perturbation"), el("span", { class: "key-adversarial" }, "adversarial"));
    const parts = scene.views.flatMap((name, view) => [
      el("span", { class: "view" }, scene.attacked.includes(view) ? name : `${name} (not attacked)`), canvases[view]]);
    const node = el("button", { type: "button", class: "follow" }, title, heads, ...parts);
    node.onclick = () => stage.activate(sample);
    return { node, title, canvases };
  }

  function build(next) {
    scene = next;
    table = divergingTable(scene, scene.reach);
    const shape = JSON.stringify([scene.shapes, scene.views, scene.attacked, scene.n]);
    if (shape !== built) {
      rows = scene.views.map((_, view) => pixelRow(scene, view));
      cards = scene.index.map((_, sample) => card(sample));
      list.replaceChildren(...cards.map(({ node }) => node));
      for (const node of [list, panel]) node.classList.toggle("several", scene.n > 1);
    }
    built = shape;
    zoom();
  }

  // As many samples side by side as leave each one wide enough, at the largest whole magnification that fits.
  function zoom() {
    if (!rows.length) return;
    const [widest, height] = [Math.max(...rows.map(({ image }) => image.width)), rows.reduce((sum, { image }) => sum + image.height, 0)];
    const fitting = (across) => Math.floor(((list.clientWidth - 8 * (across - 1)) / across - 14) / widest);
    const across = [scene.n, 2, 1].find((count) => count <= scene.n && fitting(count) * widest >= NARROWEST) ?? 1;
    const tallest = scene.n > across ? TALLEST / 2 : TALLEST;
    list.style.setProperty("--zoom", String(Math.max(1, Math.min(fitting(across), Math.floor(tallest / height)))));
  }
  const watcher = new ResizeObserver(zoom);
  watcher.observe(list);

  const pictured = (frame) => scene.pictured.findLastIndex((f) => f <= frame);

  function paint(frame, active) {
    const at = pictured(frame);
    cards.forEach(({ node, title, canvases }, sample) => {
      const [before, after] = [scene.assigned[sample], clusterAt(scene, frame, sample)].map((k) => scene.clusters[k]);
      const state = before === after ? before : `${before} ▸ ${after}`;
      const letter = scene.n > 1 ? `${LETTERS[sample]} · ` : "";
      title.replaceChildren(el("span", {}, `${letter}sample ${scene.index[sample]}, label ${scene.classes[scene.labels[sample]]}`),
        el("b", { class: before === after ? "key-clean" : "key-adversarial" }, `cluster ${state}`));
      node.classList.toggle("moved", before !== after);
      node.setAttribute("aria-pressed", String(sample === active));
      canvases.forEach((canvas, view) => {
        fillRow(scene, view, sample, at, rows[view], table);
        canvas.getContext("2d").putImageData(rows[view].image, 0, 0);
        canvas.setAttribute("aria-label", `${scene.views[view]}: clean, perturbation, adversarial`);
      });
    });
    const shown = scene.iterations[scene.pictured[at]];
    const late = scene.pictured[at] === frame ? "" : ` Pictures are of iteration ${shown}, the last that was sent.`;
    note.replaceChildren("Perturbation from ", el("span", { class: "scale" }, `−${epsilonText(scene.reach)} to +${epsilonText(scene.reach)}`),
      `, shown ×${(1 / scene.reach).toPrecision(2)}; white is no change.${late}`);
  }

  // All followed samples on one canvas, as the page shows them now.
  function sheet() {
    const scale = 6;
    const [width, height] = [Math.max(...rows.map(({ image }) => image.width)), rows.reduce((sum, { image }) => sum + image.height + GAP, 0)];
    const canvas = el("canvas", { width: scale * (width + 2 * GAP) * scene.n, height: scale * height });
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    cards.forEach(({ canvases }, sample) => {
      let down = 0;
      for (const drawn of canvases) {
        context.drawImage(drawn, scale * sample * (width + 2 * GAP), down, scale * drawn.width, scale * drawn.height);
        down += scale * (drawn.height + GAP);
      }
    });
    return canvas;
  }

  return { build, paint, sheet, destroy: () => watcher.disconnect() };
}
