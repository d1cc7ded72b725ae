// The names of the clusters on a map, each above the middle of its clean samples, none upon another.

const MOST_NAMES = 20; // more would hide the points; pointing at one tells its cluster
const ABOVE = 15; // pixels from the middle of a cluster up to its name

// `px` and `py` turn a share of the map's box into pixels of a canvas of that `width`.
function drawNames(c, scene, colors, { px, py, width }) {
  if (scene.names.length > MOST_NAMES) return;
  Object.assign(c, { font: `700 15px ${colors.font}`, textAlign: "center", textBaseline: "middle", lineJoin: "round",
    lineWidth: 4, strokeStyle: colors.background, fillStyle: colors.text });
  const taken = [];
  for (const [k, x, y] of [...scene.names].sort((a, b) => b[2] - a[2])) {
    const half = c.measureText(scene.clusters[k]).width / 2 + 3;
    const at = Math.max(half, Math.min(width - half, px(x)));
    const clash = (t) => Math.abs(t.at - at) < t.half + half && Math.abs(t.down - down) < 16;
    let down = Math.max(10, py(y) - ABOVE);
    while (taken.some(clash)) down += 4;
    taken.push({ at, half, down });
    c.strokeText(scene.clusters[k], at, down);
    c.fillText(scene.clusters[k], at, down);
  }
}
