// A glimpse: a few samples, one row an attack, all at the same ε. Each cell shows every view and, below, its perturbation.

const glimpses = new WeakMap();
const ZOOM = 2; // CSS pixels a pixel of the picture

function createGlimpse(root) {
  const scrubber = createScrubber({ name: "ε", text: epsilonText, play: "Play ε from 0 upwards" });
  const rows = el("div", { class: "rows" });
  const note = el("p", { class: "note" });
  root.replaceChildren(scrubber.node, rows, note);
  let scene, lines = [], id = null;

  // What fillRow wants of a scene, for the pictures of one attack.
  function sceneOf(row) {
    const deltas = Object.fromEntries(scene.views.map((_, v) => [`delta${v}`, scene[`delta${row}_${v}`]]));
    return { ...scene, ...deltas, deltaScale: scene.scales[row], assigned: scene[`assigned${row}`] };
  }

  function cell() {
    const name = el("span", { class: "cluster" });
    const canvases = scene.views.map((_, view) => {
      const [, height, width] = scene.shapes[view];
      const canvas = el("canvas", { width, height: 2 * height + GAP });
      canvas.style.width = `${ZOOM * width}px`;
      return canvas;
    });
    const node = el("div", { class: "cell", role: "img" }, name, el("span", { class: "views" }, ...canvases));
    return { node, name, contexts: canvases.map((canvas) => canvas.getContext("2d")) };
  }

  function build() {
    lines = scene.rows.map((title, row) => {
      const cells = scene.shown.map(cell);
      const count = el("b");
      rows.append(el("section", { class: "line" }, el("h4", {}, title, count), ...cells.map(({ node }) => node)));
      return { title, cells, count, scene: sceneOf(row), images: scene.views.map((_, v) => pixelRow(scene, v)) };
    });
    note.textContent = `In each cell, above: ${scene.views.join(" and ")} with the change; below: the change alone, from −ε (blue) `
      + "through none (white) to +ε (red). The name is the cluster's; ▲ has moved to another one.";
  }

  function paintCell(line, place, frame, colors) {
    const { cells, scene: own, images } = line;
    const moved = hasMoved(own, frame, place);
    const cluster = scene.clusters[clusterAt(own, frame, place)];
    const { node, name, contexts } = cells[place];
    node.classList.toggle("moved", moved);
    setText(name, moved ? `▲ ${cluster}` : cluster);
    node.setAttribute("aria-label", `${line.title}, sample ${scene.index[place]}, label `
      + `${scene.classes[scene.labels[place]]}: cluster ${cluster}${moved ? ", moved" : ""}`);
    contexts.forEach((context, view) => {
      const [, height, width] = scene.shapes[view];
      fillRow(own, view, place, frame, images[view], colors);
      const across = width + GAP; // fillRow draws clean, change and sum side by side
      context.putImageData(images[view].image, -2 * across, 0, 2 * across, 0, width, height);
      context.putImageData(images[view].image, -across, height + GAP, across, 0, width, height);
    });
    return moved;
  }

  scrubber.onshow = (frame) => {
    if (!scene) return;
    scrubber.say(scene.verdicts[frame]);
    for (const line of lines) {
      const colors = divergingTable(line.scene, scene.epsilons[frame]);
      const moved = scene.shown.filter((place) => paintCell(line, place, frame, colors));
      setText(line.count, `${moved.length} of ${scene.n} moved`);
    }
  };

  return {
    update(bytes) {
      const next = decode(bytes);
      applyTheme(root, next);
      if (next.id === id) return scrubber.redraw();
      [scene, id] = [next, next.id];
      rows.replaceChildren();
      build();
      const { epsilons, frames, start } = scene;
      scrubber.update({ values: epsilons, frames, start, identity: id });
      root.dataset.frames = String(frames);
    },
    destroy: () => scrubber.destroy(),
  };
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".glimpse");
  if (!root || !data) return;
  if (!glimpses.has(root)) glimpses.set(root, createGlimpse(root));
  const glimpse = glimpses.get(root);
  try {
    glimpse.update(data);
  } catch (error) {
    console.error(error);
    root.replaceChildren(el("p", {}, "This browser could not draw the pictures. Reload the page; its console has the details."));
  }
  return () => { glimpse.destroy(); glimpses.delete(root); };
}
