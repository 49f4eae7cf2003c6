// Looking things up in the superpixels that slic.js cuts. Nothing here knows the page.

import {pixelAt} from './raster.js';

/** The indices of a superpixel's pixels. */
export const pixelsOf = ({starts, pixels}, label) => pixels.subarray(starts[label], starts[label + 1]);

/** The superpixel at a place of the image; undefined outside it. */
export const regionAt = ({labels, width, height}, place) => labels[pixelAt(place, width, height)];

/** The superpixels that a line crosses, each once. */
export function regionsAlong(cut, from, to) {
  const steps = Math.max(1, Math.ceil(Math.max(Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1]))));
  const found = new Set();
  for (let step = 0; step <= steps; step++) {
    const label = regionAt(cut, [0, 1].map(axis => from[axis] + (to[axis] - from[axis]) * step / steps));
    if (label !== undefined) found.add(label);
  }
  return found;
}
