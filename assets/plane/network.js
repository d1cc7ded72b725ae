// The small network of the plane: 2 numbers in, 20, 20, 2 features out, and the nearest of two centres. All lengths are
// of the unit square.

const LAYERS = [[20, 2], [20, 20], [2, 20]];
const WEIGHTS = LAYERS.reduce((sum, [rows, columns]) => sum + rows * (columns + 1), 0);
const REACH = 0.75; // how far a flip is looked for
const DIRECTIONS = 90, STRIDES = 50, HALVINGS = 24;

// The network of a frame: `at(x, y)` gives the signed distance of its features to the border, above 0 for class 1.
function createNetwork(weights, centres) {
  const hidden = LAYERS.map(([rows]) => new Float64Array(rows));
  const [ax, ay, bx, by] = centres;
  const apart = Math.hypot(bx - ax, by - ay) || 1e-12;

  function features(x, y) {
    let input = [x, y], place = 0;
    LAYERS.forEach(([rows, columns], layer) => {
      const output = hidden[layer];
      const bias = place + rows * columns;
      for (let r = 0; r < rows; r++) {
        let sum = weights[bias + r];
        for (let c = 0; c < columns; c++) sum += weights[place + r * columns + c] * input[c];
        output[r] = layer < LAYERS.length - 1 && sum < 0 ? 0 : sum;
      }
      place = bias + rows;
      input = output;
    });
    return input;
  }

  function side([fx, fy]) {
    return ((fx - ax) ** 2 + (fy - ay) ** 2 - (fx - bx) ** 2 - (fy - by) ** 2) / (2 * apart);
  }

  const at = (x, y) => side(features(x, y));

  // The nearest point found that is of the other class, along rays: its coordinates and its distance, or null.
  function nearestFlip(x, y) {
    const own = at(x, y) > 0;
    let best = null;
    const look = (angle) => {
      const [dx, dy] = [Math.cos(angle), Math.sin(angle)];
      const limit = best ? best.distance : REACH;
      for (let i = 1; i <= STRIDES; i++) {
        const far = (limit * i) / STRIDES;
        if (at(x + far * dx, y + far * dy) > 0 === own) continue;
        let [low, high] = [(limit * (i - 1)) / STRIDES, far];
        for (let k = 0; k < HALVINGS; k++) {
          const middle = (low + high) / 2;
          if (at(x + middle * dx, y + middle * dy) > 0 === own) low = middle;
          else high = middle;
        }
        if (!best || high < best.distance) best = { x: x + high * dx, y: y + high * dy, distance: high, angle };
        return;
      }
    };
    for (let i = 0; i < DIRECTIONS; i++) look((2 * Math.PI * i) / DIRECTIONS);
    for (let i = -8; best && i <= 8; i++) look(best.angle + (i * Math.PI) / (8 * DIRECTIONS));
    return best;
  }

  return { features: (x, y) => Array.from(features(x, y)), at, nearestFlip };
}
