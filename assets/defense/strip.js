// The same few samples in every column: attacked, their perturbation or clean, one small picture a view.

const SMALL = 56; // CSS pixels of a picture's width, in whole magnifications
const KINDS = { adversarial: "attacked", perturbation: "perturbation", clean: "clean" };
const OFFSET = { clean: 0, perturbation: 1, adversarial: 2 }; // of the picture in a row of pixels.js

function createStrip(panel, stage) {
  const list = el("div", { class: "strip" });
  const nothing = el("p", { class: "note", hidden: "" }, "None of these samples is among the pictures.");
  panel.append(list, nothing);
  let scene, cards = [], rows = [], built = "";

  function card(sample, place) {
    const [was, now] = [el("span", { class: "was" }), el("span", { class: "now" })];
    const canvases = scene.views.map((_, view) => {
      const [, height, width] = scene.shapes[view];
      const canvas = el("canvas", { width, height });
      canvas.style.width = `${Math.max(1, Math.round(SMALL / width)) * width}px`;
      return canvas;
    });
    const node = el("button", { type: "button", class: "card" }, el("span", { class: "names" }, was, now),
      el("span", { class: "views" }, ...canvases));
    node.onclick = () => stage.select(sample);
    node.onpointerenter = () => stage.hover(sample);
    node.onpointerleave = () => stage.hover(null);
    return { node, sample, place, was, now, contexts: canvases.map((canvas) => canvas.getContext("2d")) };
  }

  // `order` gives the samples from left to right, the same in every column.
  function build(next, order) {
    scene = next;
    const shape = JSON.stringify([scene.shapes, order]);
    if (shape === built) return;
    built = shape;
    rows = scene.views.map((_, view) => pixelRow(scene, view));
    cards = order.map((sample) => card(sample, scene.rank.get(sample)));
    const [, height, width] = scene.shapes[0];
    const tall = height > 1.5 * width;
    const side = Math.max(1, Math.round(SMALL / width)) * width;
    list.classList.toggle("tall", tall);
    list.style.setProperty("--card", `${(tall ? scene.views.length : 1) * (side + 2) + 12}px`);
    list.classList.toggle("long", scene.clusters.some((name) => name.length > 4));
    list.replaceChildren(...cards.map(({ node }) => node));
  }

  list.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const nodes = cards.map(({ node }) => node).filter((node) => !node.hidden);
    const at = nodes.indexOf(list.getRootNode().activeElement);
    if (step && at >= 0) nodes[at + step]?.focus();
  };

  function paint(frame, chosen, kind) {
    const colors = divergingTable(scene, scene.reach[frame]);
    let seen = 0;
    for (const { node, sample, place, was, now, contexts } of cards) {
      node.hidden = chosen !== null && !chosen.has(sample);
      if (node.hidden) continue;
      seen += 1;
      const moved = hasMoved(scene, frame, sample);
      const [before, after] = [scene.assigned[sample], clusterAt(scene, frame, sample)].map((k) => scene.clusters[k]);
      node.classList.toggle("moved", moved);
      setText(was, before);
      setText(now, moved ? `▲ ${after}` : "");
      node.setAttribute("aria-label", `Sample ${scene.index[sample]}, label ${scene.classes[scene.labels[sample]]}: `
        + `cluster ${before}${moved ? `, now ${after}` : ", unmoved"}`);
      contexts.forEach((context, view) => {
        const width = scene.shapes[view][2];
        fillRow(scene, view, place, frame, rows[view], colors);
        context.putImageData(rows[view].image, -OFFSET[kind] * (width + GAP), 0);
      });
    }
    nothing.hidden = seen > 0;
  }

  function mark(selected, hovered) {
    for (const { node, sample } of cards) {
      node.setAttribute("aria-pressed", String(sample === selected));
      node.classList.toggle("hovered", sample === hovered);
    }
  }
  return { build, paint, mark };
}
