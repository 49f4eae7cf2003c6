'use strict';
// A worker that cuts an image into superpixels by SLIC (Achanta et al., "SLIC Superpixels Compared to State-of-the-Art
// Superpixel Methods", 2012, section 3): k-means of colour and place, each cluster within a window of its own.

const COMPACTNESS = 10;    // a distance of one cell counts as much as a difference of so many units of CIELAB
const ROUNDS = 10;
const LEAST = 0.25;        // of a cell's area: smaller pieces are joined to a neighbour

/**
 * Asked with the image (rgba, width, height), the side of a cell in pixels and anything else, it answers with all but
 * the image, and: labels, a superpixel's number for each pixel; pixels, the indices of all pixels sorted by that
 * number; starts, where each superpixel begins in these, and their end.
 */
onmessage = ({data: {rgba, width, height, ...asked}}) => {
  const clusters = cluster(toLab(rgba), width, height, asked.cell);
  const {labels, count} = connected(clusters, width, LEAST * asked.cell ** 2);
  postMessage({...asked, labels, ...sorted(labels, count)});
};

/** CIELAB (white point D65) of sRGB: l, a, b of each pixel. */
function toLab(rgba) {
  const linear = Float32Array.from({length: 256}, (_, value) =>
    value > 10.3 ? ((value / 255 + 0.055) / 1.055) ** 2.4 : value / 255 / 12.92);
  const bent = value => value > 0.008856 ? Math.cbrt(value) : 7.787 * value + 16 / 116;
  const lab = new Float32Array(rgba.length / 4 * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    const red = linear[rgba[from]], green = linear[rgba[from + 1]], blue = linear[rgba[from + 2]];
    const x = bent((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505);
    const y = bent(0.2126 * red + 0.7152 * green + 0.0722 * blue);
    const z = bent((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089);
    lab[to] = 116 * y - 16; lab[to + 1] = 500 * (x - y); lab[to + 2] = 200 * (y - z);
  }
  return lab;
}

/** The number of the nearest cluster for each pixel; one cluster begins in the middle of each cell of a grid. */
function cluster(lab, width, height, cell) {
  const across = Math.max(1, Math.round(width / cell)), down = Math.max(1, Math.round(height / cell));
  const count = across * down, reach = Math.max(width / across, height / down), nearness = (COMPACTNESS / reach) ** 2;
  const centres = new Float32Array(5 * count), sums = new Float64Array(6 * count);    // l, a, b, x, y (and number)
  const nearest = new Int32Array(width * height), least = new Float32Array(width * height);
  for (let k = 0; k < count; k++) {
    const x = Math.floor((k % across + 0.5) * width / across);
    const y = Math.floor((Math.floor(k / across) + 0.5) * height / down);
    centres.set([...lab.subarray(3 * (y * width + x), 3 * (y * width + x) + 3), x, y], 5 * k);
  }
  for (let round = 0; round < ROUNDS; round++) {
    least.fill(Infinity);
    for (let k = 0; k < count; k++) {
      const [l, a, b, x, y] = centres.subarray(5 * k, 5 * k + 5);
      const right = Math.min(width - 1, x + reach), bottom = Math.min(height - 1, y + reach);
      for (let row = Math.max(0, Math.ceil(y - reach)); row <= bottom; row++) {
        for (let column = Math.max(0, Math.ceil(x - reach)); column <= right; column++) {
          const i = row * width + column;
          const distance = (lab[3 * i] - l) ** 2 + (lab[3 * i + 1] - a) ** 2 + (lab[3 * i + 2] - b) ** 2
            + nearness * ((column - x) ** 2 + (row - y) ** 2);
          if (distance < least[i]) { least[i] = distance; nearest[i] = k; }
        }
      }
    }
    sums.fill(0);
    nearest.forEach((k, i) => {
      const at = 6 * k;
      sums[at] += lab[3 * i]; sums[at + 1] += lab[3 * i + 1]; sums[at + 2] += lab[3 * i + 2];
      sums[at + 3] += i % width; sums[at + 4] += Math.floor(i / width); sums[at + 5]++;
    });
    for (let k = 0; k < count; k++) {
      const size = sums[6 * k + 5];
      for (let part = 0; size && part < 5; part++) centres[5 * k + part] = sums[6 * k + part] / size;
    }
  }
  return nearest;
}

/** Numbers for the connected pieces of the clusters (neighbours along rows and columns); small pieces have their left
 *  neighbour's, or in the first column that above them. */
function connected(clusters, width, least) {
  const labels = new Int32Array(clusters.length).fill(-1), piece = new Int32Array(clusters.length);
  let count = 0;
  for (let start = 0; start < clusters.length; start++) {
    if (labels[start] >= 0) continue;
    let size = 1;
    piece[0] = start;
    labels[start] = count;
    for (let done = 0; done < size; done++) {
      const at = piece[done], column = at % width;
      for (const [next, there] of [[at - 1, column > 0], [at + 1, column < width - 1], [at - width, true],
        [at + width, true]]) {
        if (!there || labels[next] !== -1 || clusters[next] !== clusters[start]) continue;
        labels[next] = count;
        piece[size++] = next;
      }
    }
    if (size < least && start) {
      const neighbour = labels[start % width ? start - 1 : start - width];
      for (const at of piece.subarray(0, size)) labels[at] = neighbour;
    } else {
      count++;
    }
  }
  return {labels, count};
}

/** The pixels by their label: a counting sort. */
function sorted(labels, count) {
  const starts = new Int32Array(count + 1), pixels = new Int32Array(labels.length);
  for (const label of labels) starts[label + 1]++;
  for (let label = 0; label < count; label++) starts[label + 1] += starts[label];
  const next = starts.slice();
  labels.forEach((label, i) => { pixels[next[label]++] = i; });
  return {starts, pixels};
}
