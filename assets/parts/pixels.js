// Pixels: a picture, its signed perturbation and the sum of both, drawn exactly; nothing is smoothed.

const GAP = 2; // source pixels between two pictures of a row

const GREY = Uint32Array.from({ length: 256 }, (_, value) => pack32([value, value, value]));

// Colour of each int8 perturbation value, on a scale symmetric about 0 that ends at ±reach.
function divergingTable(scene, reach) {
  const stops = scene.diverging.map(rgb);
  const table = new Uint32Array(256);
  for (let value = -128; value < 128; value++) {
    const share = reach > 0 ? Math.max(-1, Math.min(1, (value * scene.deltaScale) / reach)) : 0;
    const place = ((share + 1) / 2) * (stops.length - 1);
    const low = Math.min(Math.floor(place), stops.length - 2);
    const mix = stops[low].map((c, i) => Math.round(c + (stops[low + 1][i] - c) * (place - low)));
    table[value & 255] = pack32(mix);
  }
  return table;
}

function pixelRow(scene, view) {
  const [, height, width] = scene.shapes[view];
  const image = new ImageData(3 * width + 2 * GAP, height);
  return { image, pixels: new Uint32Array(image.data.buffer) };
}

// Fill one view's row for the sample at `place` of the strip; `colors` is a divergingTable.
function fillRow(scene, view, place, frame, row, colors) {
  const [channels, height, width] = scene.shapes[view];
  const size = height * width;
  const clean = scene[`clean${view}`];
  const delta = frame > 0 ? scene[`delta${view}`] : null;
  const from = place * channels * size;
  const step = frame > 0 ? ((frame - 1) * scene.shown.length + place) * channels * size : 0;
  const unit = scene.deltaScale * 255;
  const values = [0, 0, 0];
  for (let y = 0, at = 0; y < height; y++) {
    let out = y * row.image.width;
    for (let x = 0; x < width; x++, at++, out++) {
      let mean = 0;
      for (let c = 0; c < channels; c++) {
        const d = delta ? delta[step + c * size + at] : 0;
        mean += d;
        values[c] = Math.max(0, Math.min(255, Math.round(clean[from + c * size + at] + d * unit)));
      }
      const base = clean[from + at];
      row.pixels[out] = channels === 1
        ? GREY[base] : pack32([base, clean[from + size + at], clean[from + 2 * size + at]]);
      row.pixels[out + width + GAP] = colors[Math.round(mean / channels) & 255];
      row.pixels[out + 2 * (width + GAP)] = channels === 1 ? GREY[values[0]] : pack32(values);
    }
  }
}

// The clean first view of a sample whose full pictures were not sent.
function thumb(scene, sample) {
  const [channels, height, width] = scene.shapes[0];
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const size = width * height;
  for (let at = 0; at < size; at++) {
    const value = (c) => scene.thumbs[sample * channels * size + c * size + at];
    pixels[at] = channels === 1 ? GREY[value(0)] : pack32([value(0), value(1), value(2)]);
  }
  const canvas = el("canvas", { width, height, class: "thumb" });
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}
