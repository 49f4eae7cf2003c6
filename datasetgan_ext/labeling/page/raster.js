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
