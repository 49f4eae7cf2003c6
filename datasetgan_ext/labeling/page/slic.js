// Superpixels by SLIC (Achanta et al., "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods", 2012,
// section 3): k-means of colour and place, each cluster within a window of its own. Nothing here knows the page.

import {neighborsOf} from './raster.js';

const COMPACTNESS = 10;    // a distance of one cell counts as much as a difference of so many units of CIELAB
const ROUNDS = 10;
const LEAST = 0.25;        // of a cell's area: smaller pieces are joined to a neighbour

/**
 * Cuts an image into connected superpixels.
 *
 * @param {Uint8ClampedArray} rgba  four bytes a pixel, row by row
 * @param {number} width
 * @param {number} height
 * @param {number} cell  side of the square that a superpixel has the area of, in pixels
 * @returns {{labels: Int32Array, starts: Int32Array, pixels: Int32Array}} labels, a superpixel's number for each pixel;
 *   pixels, the indices of all pixels sorted by that number; starts, where each superpixel begins in these, and their
 *   end
 */
export function superpixels(rgba, width, height, cell) {
  const clusters = cluster(toLab(rgba), width, height, cell);
  const {labels, count} = connected(clusters, width, LEAST * cell ** 2);
  return {labels, ...sorted(labels, count)};
}

/** CIELAB (white point D65) of sRGB: l, a, b of each pixel. */
export function toLab(rgba) {
  const linear = Float32Array.from({length: 256}, (_, value) =>
    value > 10.3 ? ((value / 255 + 0.055) / 1.055) ** 2.4 : value / 255 / 12.92);
  const bent = value => value > 0.008856 ? Math.cbrt(value) : 7.787 * value + 16 / 116;
  const lab = new Float32Array(rgba.length / 4 * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    const red = linear[rgba[from]];
    const green = linear[rgba[from + 1]];
    const blue = linear[rgba[from + 2]];
    const x = bent((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505);
    const y = bent(0.2126 * red + 0.7152 * green + 0.0722 * blue);
    const z = bent((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089);
    lab[to] = 116 * y - 16;
    lab[to + 1] = 500 * (x - y);
    lab[to + 2] = 200 * (y - z);
  }
  return lab;
}

/** The number of the nearest cluster for each pixel; one cluster begins in the middle of each cell of a grid. */
function cluster(lab, width, height, cell) {
  const across = Math.max(1, Math.round(width / cell));
  const down = Math.max(1, Math.round(height / cell));
  const reach = Math.max(width / across, height / down);
  const centers = gridCenters(lab, width, height, across, down);
  const nearest = new Int32Array(width * height);
  for (let round = 0; round < ROUNDS; round++) {
    assign(lab, width, height, centers, reach, nearest);
    moveCenters(lab, width, centers, nearest);
  }
  return nearest;
}

/** l, a, b, x, y of each cluster at the start. */
function gridCenters(lab, width, height, across, down) {
  const centers = new Float32Array(5 * across * down);
  for (let k = 0; k < across * down; k++) {
    const x = Math.floor((k % across + 0.5) * width / across);
    const y = Math.floor((Math.floor(k / across) + 0.5) * height / down);
    const i = 3 * (y * width + x);
    centers.set([lab[i], lab[i + 1], lab[i + 2], x, y], 5 * k);
  }
  return centers;
}

/** Gives each pixel the nearest of the clusters that reach it. */
function assign(lab, width, height, centers, reach, nearest) {
  const nearness = (COMPACTNESS / reach) ** 2;
  const least = new Float32Array(width * height).fill(Infinity);
  for (let k = 0; k < centers.length / 5; k++) {
    const [l, a, b, x, y] = centers.subarray(5 * k, 5 * k + 5);
    const right = Math.min(width - 1, x + reach);
    const bottom = Math.min(height - 1, y + reach);
    for (let row = Math.max(0, Math.ceil(y - reach)); row <= bottom; row++) {
      for (let column = Math.max(0, Math.ceil(x - reach)); column <= right; column++) {
        const i = row * width + column;
        const distance = (lab[3 * i] - l) ** 2 + (lab[3 * i + 1] - a) ** 2 + (lab[3 * i + 2] - b) ** 2
          + nearness * ((column - x) ** 2 + (row - y) ** 2);
        if (distance < least[i]) {
          least[i] = distance;
          nearest[i] = k;
        }
      }
    }
  }
}

/** Moves each cluster to the mean of its pixels. */
function moveCenters(lab, width, centers, nearest) {
  const sums = new Float64Array(centers.length / 5 * 6);    // l, a, b, x, y and number
  nearest.forEach((k, i) => {
    sums[6 * k] += lab[3 * i];
    sums[6 * k + 1] += lab[3 * i + 1];
    sums[6 * k + 2] += lab[3 * i + 2];
    sums[6 * k + 3] += i % width;
    sums[6 * k + 4] += Math.floor(i / width);
    sums[6 * k + 5]++;
  });
  for (let k = 0; k < centers.length / 5; k++) {
    const size = sums[6 * k + 5];
    for (let part = 0; size && part < 5; part++) centers[5 * k + part] = sums[6 * k + part] / size;
  }
}

/** Numbers for the connected pieces of the clusters (neighbours along rows and columns); small pieces have their left
 *  neighbour's, or in the first column that above them. */
export function connected(clusters, width, least) {
  const labels = new Int32Array(clusters.length).fill(-1);
  const piece = new Int32Array(clusters.length);
  let count = 0;
  for (let start = 0; start < clusters.length; start++) {
    if (labels[start] >= 0) continue;
    let size = 1;
    piece[0] = start;
    labels[start] = count;
    for (let done = 0; done < size; done++) {
      for (const next of neighborsOf(piece[done], width, clusters.length)) {
        if (labels[next] !== -1 || clusters[next] !== clusters[start]) continue;
        labels[next] = count;
        piece[size++] = next;
      }
    }
    if (size < least && start) {
      const neighbor = labels[start % width ? start - 1 : start - width];
      for (const i of piece.subarray(0, size)) labels[i] = neighbor;
    } else {
      count++;
    }
  }
  return {labels, count};
}

/** The pixels by their label: a counting sort. */
export function sorted(labels, count) {
  const starts = new Int32Array(count + 1);
  const pixels = new Int32Array(labels.length);
  for (const label of labels) starts[label + 1]++;
  for (let label = 0; label < count; label++) starts[label + 1] += starts[label];
  const next = starts.slice();
  labels.forEach((label, i) => { pixels[next[label]++] = i; });
  return {starts, pixels};
}
