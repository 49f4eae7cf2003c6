// Which pixels lines, polygons and regions cover. Nothing here knows the page.

export const clamp = (value, limit) => Math.min(limit, Math.max(0, value));

/**
 * @typedef {object} Box  columns from left to before right, rows from upper to before lower
 * @property {number} left
 * @property {number} upper
 * @property {number} right
 * @property {number} lower
 */

/** The box of all pixels that a line of some thickness can touch. */
export function boxOfLine([ax, ay], [bx, by], reach, width, height) {
  return {
    left: clamp(Math.floor(Math.min(ax, bx) - reach), width),
    right: clamp(Math.ceil(Math.max(ax, bx) + reach), width),
    upper: clamp(Math.floor(Math.min(ay, by) - reach), height),
    lower: clamp(Math.ceil(Math.max(ay, by) + reach), height),
  };
}

/** The smallest box that holds some pixels. */
export function boxOfPixels(pixels, width) {
  const box = {left: Infinity, upper: Infinity, right: 0, lower: 0};
  for (const i of pixels) {
    const x = i % width;
    const y = Math.floor(i / width);
    box.left = Math.min(box.left, x);
    box.upper = Math.min(box.upper, y);
    box.right = Math.max(box.right, x + 1);
    box.lower = Math.max(box.lower, y + 1);
  }
  return box;
}

/** The smallest box of the pixels in which two masks differ; null if there are none. */
export function boxOfChange(before, after, width) {
  const rows = after.length / width;
  const same = i => before[i] === after[i];
  const rowIsSame = y => {
    for (let i = y * width; i < (y + 1) * width; i++) if (!same(i)) return false;
    return true;
  };
  let upper = 0;
  while (upper < rows && rowIsSame(upper)) upper++;
  if (upper === rows) return null;
  let lower = rows;
  while (rowIsSame(lower - 1)) lower--;
  let left = width;
  let right = 0;
  for (let y = upper; y < lower; y++) {
    for (let x = 0; x < left; x++) if (!same(y * width + x)) left = x;
    for (let x = width; x > right; x--) if (!same(y * width + x - 1)) right = x;
  }
  return {left, upper, right, lower};
}

/** The values of a box of a mask, row by row. */
export function valuesIn(mask, {left, upper, right, lower}, width) {
  const part = new Uint8Array((right - left) * (lower - upper));
  for (let y = upper; y < lower; y++) {
    part.set(mask.subarray(y * width + left, y * width + right), (y - upper) * (right - left));
  }
  return part;
}

/** A mask at another size: each pixel is that of the middle of its place. */
export function resized(mask, width, height, newWidth, newHeight) {
  const made = new Uint8Array(newWidth * newHeight);
  for (let y = 0, at = 0; y < newHeight; y++) {
    const row = Math.floor((y + 0.5) * height / newHeight) * width;
    for (let x = 0; x < newWidth; x++, at++) made[at] = mask[row + Math.floor((x + 0.5) * width / newWidth)];
  }
  return made;
}

/**
 * The border of some pixels: the sides on which a pixel has a neighbour that is not inside, those in one line joined.
 *
 * @param {number} width  of the image
 * @param {number} height  of the image
 * @param {(i: number) => boolean} inside
 * @returns {number[][]} x and y of both ends of each line
 */
export function borderOf(pixels, width, height, inside) {
  const {left, upper, right, lower} = boxOfPixels(pixels, width);
  const isIn = (x, y) => x >= 0 && y >= 0 && x < width && y < height && inside(y * width + x);
  const lines = [];
  for (let y = upper; y <= lower; y++) {
    for (const [from, to] of runs(left, right, x => isIn(x, y) !== isIn(x, y - 1))) lines.push([from, y, to, y]);
  }
  for (let x = left; x <= right; x++) {
    for (const [from, to] of runs(upper, lower, y => isIn(x, y) !== isIn(x - 1, y))) lines.push([x, from, x, to]);
  }
  return lines;
}

/** First number and end of each run of numbers from `first` to before `end` for which something holds. */
function runs(first, end, holds) {
  const found = [];
  let start = null;
  for (let at = first; at <= end; at++) {
    const here = at < end && holds(at);
    if (here && start === null) start = at;
    if (!here && start !== null) {
      found.push([start, at]);
      start = null;
    }
  }
  return found;
}

/** The middle of a round brush: of a pixel for odd sizes, between pixels for even ones. */
export function snap([x, y], size) {
  return size % 2 ? [Math.floor(x) + 0.5, Math.floor(y) + 0.5] : [Math.round(x), Math.round(y)];
}

/** Calls `put` with the index of each pixel of a box whose centre is at most `reach` from the line. */
export function coverLine([ax, ay], [bx, by], reach, {left, upper, right, lower}, width, put) {
  const dx = bx - ax;
  const dy = by - ay;
  const squared = dx * dx + dy * dy;
  for (let y = upper; y < lower; y++) {
    for (let x = left; x < right; x++) {
      const px = x + 0.5 - ax;
      const py = y + 0.5 - ay;
      const along = squared ? Math.min(1, Math.max(0, (px * dx + py * dy) / squared)) : 0;
      if ((px - along * dx) ** 2 + (py - along * dy) ** 2 <= reach * reach + 1e-9) put(y * width + x);
    }
  }
}

/** Calls `put` with the index of each pixel whose centre is inside the polygon (even-odd). */
export function coverPolygon(corners, width, height, put) {
  for (let y = 0; y < height; y++) {
    const crossings = crossingsOf(corners, y + 0.5);
    for (let i = 0; i < crossings.length; i += 2) {
      const first = clamp(Math.ceil(crossings[i] - 0.5), width);
      const end = clamp(Math.ceil(crossings[i + 1] - 0.5), width);
      for (let x = first; x < end; x++) put(y * width + x);
    }
  }
}

/** Where the sides of a polygon cross a row, from left to right. */
function crossingsOf(corners, middle) {
  const crossings = [];
  corners.forEach(([ax, ay], i) => {
    const [bx, by] = corners[(i + 1) % corners.length];
    if ((ay <= middle) !== (by <= middle)) crossings.push(ax + (middle - ay) / (by - ay) * (bx - ax));
  });
  return crossings.sort((one, other) => one - other);
}

/** The neighbours of a pixel along its row and its column. */
export function neighborsOf(i, width, count) {
  const column = i % width;
  const found = [];
  if (column > 0) found.push(i - 1);
  if (column < width - 1) found.push(i + 1);
  if (i >= width) found.push(i - width);
  if (i < count - width) found.push(i + width);
  return found;
}

/** The pixels of one value that are connected with the first one along rows and columns; the first one too. */
export function connectedTo(first, values, width) {
  const seen = new Uint8Array(values.length);
  const region = [first];
  seen[first] = 1;
  for (let done = 0; done < region.length; done++) {
    for (const next of neighborsOf(region[done], width, values.length)) {
      if (seen[next] || values[next] !== values[first]) continue;
      seen[next] = 1;
      region.push(next);
    }
  }
  return region;
}

/** The index of the pixel at a place; undefined outside the image. */
export function pixelAt([x, y], width, height) {
  const column = Math.floor(x);
  const row = Math.floor(y);
  return column >= 0 && row >= 0 && column < width && row < height ? row * width + column : undefined;
}
