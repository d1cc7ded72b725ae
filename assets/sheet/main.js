// A sheet of pictures as in Appendix A.7 of the paper: a column a sample, a block of rows a view, clusters above. Pixels
// are magnified by whole numbers; columns that do not fit beside each other go on in bands below.

const [LEFT, SPACE] = [112, 8]; // CSS pixels of the captions and between two pictures
const [SMALLEST, LARGEST] = [48, 8]; // CSS pixels a picture is wide where the space allows it; times
const PAPER = 980; // CSS pixels across a page of A4 or Letter, landscape
const ROWS = ["clean", "noise", "adversarial"];
const sheets = new WeakMap();

// Few bands, but no tiny pictures; as in core/figures/sheet.py.
function fitSheet(scene, width) {
  const cell = Math.max(...scene.shapes.map(([, , w]) => w));
  const zoomFor = (columns) => Math.min(LARGEST, Math.floor(((width - LEFT) / columns - SPACE) / cell));
  for (let bands = 1; bands <= scene.before.length; bands++) {
    const columns = Math.ceil(scene.before.length / bands);
    if (zoomFor(columns) >= Math.ceil(SMALLEST / cell)) return { columns, zoom: zoomFor(columns), cell };
  }
  return { columns: 1, zoom: Math.max(1, zoomFor(1)), cell };
}

function createPicture(scene, view, place, kind) {
  const [channels, height, width] = scene.shapes[view];
  const size = height * width;
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const values = scene[`${kind}${view}`];
  const value = (at, c) => values[(place * channels + c) * size + at];
  for (let at = 0; at < size; at++) {
    if (kind === "noise") pixels[at] = scene.colors[values[place * size + at] & 255];
    else pixels[at] = channels === 1 ? GREY[value(at, 0)] : pack32([0, 1, 2].map((c) => value(at, c)));
  }
  const canvas = el("canvas", { width, height });
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function createSheet(root) {
  const sheet = { scene: null, laidOut: "" };
  const bands = el("div", { class: "bands", role: "img" });
  const legend = el("p", { class: "explains", "aria-hidden": "true" });
  root.replaceChildren(bands, legend);

  function cluster(kind, place, column) {
    const moved = kind === "adversarial" && sheet.scene.moved[place];
    const text = kind === "clean" ? sheet.scene.before[place] : `${moved ? "▲ " : ""}${sheet.scene.after[place]}`;
    return el("span", { class: `cluster ${kind}${moved ? " moved" : ""}`, title: text, style: `grid-column: ${column + 2}` }, text);
  }

  function block(view, places, { zoom, columns, cell: width }) {
    const { scene, pictures } = sheet;
    const rows = el("div", { class: "rows", style: `grid-template-columns: 80px repeat(${columns}, ${zoom * width}px)` });
    for (const kind of ROWS) {
      if (kind !== "noise") places.forEach((place, i) => rows.append(cluster(kind, place, i)));
      rows.append(el("span", { class: `caption ${kind}` }, kind));
      for (const place of places) {
        const canvas = pictures[view][kind][place];
        canvas.className = kind === "adversarial" && scene.moved[place] ? "moved" : "";
        canvas.style.width = `${zoom * canvas.width}px`;
        rows.append(canvas);
      }
    }
    return el("div", { class: "block" }, el("span", { class: "name" }, scene.views[view]), rows);
  }

  function band(first, fit) {
    const places = sheet.scene.before.map((_, place) => place).slice(first, first + fit.columns);
    return el("div", { class: "stripe" }, ...sheet.scene.views.map((_, view) => block(view, places, fit)));
  }

  function layOut(width) {
    if (!sheet.scene || !width) return;
    const fit = fitSheet(sheet.scene, width);
    const laidOut = JSON.stringify([sheet.scene.id, fit]);
    if (laidOut === sheet.laidOut) return;
    sheet.laidOut = laidOut;
    const count = sheet.scene.before.length;
    bands.replaceChildren(...Array.from({ length: Math.ceil(count / fit.columns) }, (_, i) => band(i * fit.columns, fit)));
    root.dataset.zoom = String(fit.zoom);
  }
  const onScreen = () => layOut(root.clientWidth);
  const onPaper = () => layOut(PAPER);
  const watcher = new ResizeObserver(onScreen);
  watcher.observe(root);
  window.addEventListener("beforeprint", onPaper);
  window.addEventListener("afterprint", onScreen);

  sheet.update = (bytes) => {
    const scene = unpack(bytes);
    applyTheme(root, scene);
    for (const [role, color] of Object.entries(scene.roles.light)) root.style.setProperty(`--paper-${role}`, color);
    if (sheet.scene?.id === scene.id) return;
    scene.colors = divergingTable(scene, scene.reach);
    sheet.scene = scene;
    sheet.pictures = scene.shapes.map((_, view) => Object.fromEntries(
      ROWS.map((kind) => [kind, scene.before.map((_, place) => createPicture(scene, view, place, kind))])));
    bands.setAttribute("aria-label", scene.alt);
    legend.replaceChildren(
      `−${scene.reachText} `, el("span", { class: "ramp", style: `background: linear-gradient(90deg, ${scene.diverging.join(", ")})` }), ` +${scene.reachText} noise`,
      ...scene.legend.map((text) => el("span", { class: "piece" }, text)));
    onScreen();
  };
  sheet.destroy = () => {
    watcher.disconnect();
    window.removeEventListener("beforeprint", onPaper);
    window.removeEventListener("afterprint", onScreen);
  };
  return sheet;
}

export default function mount({ data, parentElement }) {
  const root = parentElement.querySelector(".sheet");
  if (!root || !data) return;
  if (!sheets.has(root)) sheets.set(root, createSheet(root));
  const sheet = sheets.get(root);
  sheet.update(data);
  return () => { sheet.destroy(); sheets.delete(root); };
}
