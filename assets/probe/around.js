// What is near: probabilities of the clusters, samples that stand for a cluster, neighbours in the data set.

const MOST_BARS = 12;
const CELL = 56; // CSS pixels that a small picture may be wide

// The views of one sample, one under the other; `kind` is "clean" (one's own) or "around" (the data set's).
function stacked(scene, kind, row) {
  const [width, height] = [Math.max(...scene.shapes.map(([, , w]) => w)), scene.shapes.reduce((sum, [, h]) => sum + h + 1, -1)];
  const canvas = el("canvas", { width, height, "aria-hidden": "true" });
  canvas.style.width = `${width * Math.max(1, Math.floor(CELL / width))}px`;
  const context = canvas.getContext("2d");
  let top = 0;
  scene.shapes.forEach(([channels, high, wide], view) => {
    const image = new ImageData(wide, high);
    const pixels = new Uint32Array(image.data.buffer);
    const [values, size] = [scene[`${kind}${view}`], wide * high];
    const from = row * channels * size;
    for (let at = 0; at < size; at++) {
      const value = (c) => values[from + c * size + at];
      pixels[at] = channels === 1 ? GREY[value(0)] : pack32([value(0), value(1), value(2)]);
    }
    context.putImageData(image, 0, top);
    top += high + 1;
  });
  return canvas;
}

// A held-out sample with what is said below it.
function sampleOf(scene, row, lines, differs = false) {
  const about = `Held-out sample ${scene.aroundIndex[row]}, label ${scene.aroundLabel[row]}, cluster ${scene.clusters[scene.aroundCluster[row]]}`;
  const node = el("figure", { class: differs ? "around differs" : "around", role: "img", "aria-label": about, title: about }, stacked(scene, "around", row));
  if (lines.length) node.append(el("figcaption", {}, ...lines.map((line) => el("span", {}, line))));
  return node;
}

function createBars(panel) {
  const list = el("div", { class: "bars", role: "list" });
  const key = el("p", { class: "note" }, "Line: before the attack.");
  panel.append(list, key);
  let rows = new Map(), built = "";

  function ordered(scene, sample, frame) {
    if (scene.columns.length <= MOST_BARS) return scene.columns;
    const best = (k) => Math.max(scene.prob(0, sample, k), scene.prob(frame, sample, k));
    return [...scene.columns].sort((a, b) => best(b) - best(a)).slice(0, MOST_BARS);
  }

  function build(scene, shown) {
    rows = new Map(shown.map((k) => {
      const [fill, mark, value] = [el("i", { class: "fill" }), el("i", { class: "mark" }), el("span", { class: "value" })];
      const node = el("div", { class: "row", role: "listitem" }, el("span", { class: "name", title: scene.clusters[k] }, scene.clusters[k]),
        el("span", { class: "room" }, fill, mark), value);
      return [k, { node, fill, mark, value }];
    }));
    list.replaceChildren(...[...rows.values()].map(({ node }) => node));
  }

  function paint(scene, frame, sample) {
    const shown = ordered(scene, sample, frame);
    const shape = [scene.clusters.join(), shown.join()].join("|");
    if (shape !== built) build(scene, shown);
    built = shape;
    const [home, now] = [scene.assigned[sample], clusterAt(scene, frame, sample)];
    key.hidden = frame === 0;
    for (const [k, { node, fill, mark, value }] of rows) {
      const share = scene.prob(frame, sample, k);
      fill.style.width = `${100 * share}%`;
      mark.style.left = `${100 * scene.prob(0, sample, k)}%`;
      mark.hidden = frame === 0;
      setText(value, share < 0.005 ? "< 0.01" : share >= 0.995 ? "> 0.99" : share.toFixed(2));
      node.className = k === now && k !== home ? "row away" : k === home ? "row home" : "row";
    }
  }
  return { paint };
}

// Rows of held-out samples: those that stand for the cluster it is in now, and its nearest neighbours.
function createAround(typicalPanel, nearPanel) {
  const [typical, near] = [el("div", { class: "row-of" }), el("div", { class: "row-of" })];
  const heading = typicalPanel.querySelector("h3");
  const about = el("p", { class: "note" });
  typicalPanel.append(typical);
  nearPanel.append(near, about);
  let shown = "";

  function paint(scene, frame, sample) {
    const now = clusterAt(scene, frame, sample);
    const state = [scene.id, frame, sample].join();
    if (state === shown) return;
    shown = state;
    setText(heading, `Held-out samples typical of cluster ${scene.clusters[now]}`);
    typical.replaceChildren(...scene.typical[now].map((row) => sampleOf(scene, row, [])));
    if (!scene.typical[now].length) typical.append(el("p", { class: "note" }, "No held-out sample is in this cluster."));
    const count = scene.near.length / scene.frames / scene.shown.length;
    near.replaceChildren(...Array.from({ length: count }, (_, i) => {
      const row = scene.near[(frame * scene.shown.length + sample) * count + i];
      const far = scene.far[frame][sample][i];
      return sampleOf(scene, row, [scene.aroundLabel[row], far.toPrecision(3)], scene.aroundCluster[row] !== now);
    }));
    setText(about, `Nearest first; below each its label and its distance in the hidden layer. Orange frame: it is in another cluster than yours.`);
  }
  return { paint };
}

// Nothing to probe yet: all clusters of the model by samples that stand for them.
function clusterGallery(scene) {
  const rows = scene.columns.map((k) => el("div", { class: "cluster" },
    el("b", {}, el("i", { style: `background:${clusterColor(scene, k)}` }), scene.clusters[k]),
    el("div", { class: "row-of" }, ...scene.typical[k].map((row) => sampleOf(scene, row, [])))));
  return [el("h3", {}, "What you bring will fall into one of these clusters"),
    el("p", { class: "note" }, `Held-out samples nearest to each cluster's mean, all views. ${scene.about[0].toUpperCase()}${scene.about.slice(1)}.`),
    el("div", { class: "clusters" }, ...rows)];
}
