// Buffers of core/figures/buffer.py, the colours of the page, and small helpers. All text goes through textContent.

const ARRAY_TYPES = { uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, float32: Float32Array };

// A header with its arrays by their names.
function unpack(bytes) {
  const buffer = bytes.slice().buffer; // a copy starts at an aligned offset
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  for (const [name, { dtype, shape, offset }] of Object.entries(header.arrays)) {
    const size = shape.reduce((product, n) => product * n, 1);
    header[name] = new ARRAY_TYPES[dtype](buffer, 4 + length + offset, size);
  }
  return header;
}

// The buffer of core/figures/stage.py.
function decode(bytes) {
  const scene = unpack(bytes);
  scene.frames = scene.verdicts.length;
  scene.n = scene.labels.length;
  scene.rank = new Map(scene.shown.map((sample, place) => [sample, place]));
  return scene;
}

function clusterAt(scene, frame, sample) {
  return scene.assigned[frame * scene.n + sample];
}

function hasMoved(scene, frame, sample) {
  return clusterAt(scene, frame, sample) !== scene.assigned[sample];
}

function epsilonText(epsilon) {
  if (epsilon === 0 || (epsilon > 1 && Number.isInteger(epsilon))) return String(epsilon);
  return epsilon.toFixed(4).replace(/0{1,2}$/, "");
}

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") node.className = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// A titled part of a component; `tools` takes its small buttons.
function createPanel(parent, title, kind) {
  const tools = el("span", { class: "tools" });
  const name = el("h3", {}, title);
  const node = el("section", { class: `panel ${kind}` }, el("div", { class: "title" }, name, tools));
  node.tools = tools;
  node.rename = (words) => setText(name, words);
  parent.append(node);
  return node;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function rgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

function pack32([red, green, blue]) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0; // little endian RGBA
}

// Role colours for the page's background, handed on to the style sheet as --lab-*.
function applyTheme(root, scene) {
  const style = getComputedStyle(root);
  const probe = el("span", { style: "color: var(--st-background-color)" });
  root.append(probe);
  const [red, green, blue] = getComputedStyle(probe).color.match(/[\d.]+/g).map(Number);
  probe.remove();
  const dark = 0.299 * red + 0.587 * green + 0.114 * blue < 128;
  const roles = scene.roles[dark ? "dark" : "light"];
  for (const [role, color] of Object.entries(roles)) root.style.setProperty(`--lab-${role}`, color);
  root.classList.toggle("dark", dark);
  return { ...roles, dark, text: style.color, background: `rgb(${red}, ${green}, ${blue})`, font: style.fontFamily };
}

function roleColor(colors, role) {
  return { attack: colors.adversarial, rematched: colors.adversarial, clean: colors.clean }[role] ?? colors.neutral;
}

function clusterColor(scene, cluster) {
  return scene.palette[cluster];
}

// A canvas of its CSS size in device pixels; returns its context, already scaled to CSS pixels.
function fitCanvas(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}
