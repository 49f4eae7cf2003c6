// The labels as a picture of the image's size, and the uncertainty.

import {clamp} from './raster.js';
import {BACKGROUND, NONE, state} from './state.js';
import {redraw, redrawBox} from './view.js';

export const FAINT = 0.4;  // of the background, and of all classes beneath the uncertainty
const SUGGESTED = 190;     // opacity of what is only suggested, of 255
const LIGHTER = 0.45;      // how far a class's outline is from its colour to white
const MARKED = [255, 216, 77, 150];
const LEAST_SHOWN = 20;    // uncertainty that is shown in full at least

export const overlay = document.createElement('canvas');
export const unsure = document.createElement('canvas');
export const marks = document.createElement('canvas');

export function sizeOverlays() {
  for (const sheet of [overlay, unsure, marks]) Object.assign(sheet, {width: state.width, height: state.height});
}

const wholeImage = () => ({left: 0, upper: 0, right: state.width, lower: state.height});

/** Brings a part up to date with the mask and, where there is no label, with the suggestion. */
export function paintOverlay(part) {
  const box = part ?? wholeImage();
  if (!part) redraw();
  if (box.right <= box.left || box.lower <= box.upper) return;
  const {width, height} = state;
  // the outlines of the pixels around change too
  const left = clamp(box.left - 1, width);
  const upper = clamp(box.upper - 1, height);
  const right = clamp(box.right + 1, width);
  const lower = clamp(box.lower + 1, height);
  const pen = overlay.getContext('2d');
  const pixels = pen.createImageData(right - left, lower - upper);
  colorPixels(pixels.data, {left, upper, right, lower});
  pen.putImageData(pixels, left, upper);
  redrawBox({left, upper, right, lower});
}

/** Fills in the colours of a box, four bytes a pixel. */
function colorPixels(data, {left, upper, right, lower}) {
  const {current: {mask, suggestion}, width, height, colors, shown} = state;
  const seenAt = i => mask[i] !== NONE || !suggestion ? mask[i] : suggestion[i];
  for (let y = upper, at = 0; y < lower; y++) {
    for (let x = left; x < right; x++, at += 4) {
      const i = y * width + x;
      const id = seenAt(i);
      if (id === NONE) continue;
      const outline = (x > 0 && seenAt(i - 1) !== id) || (x < width - 1 && seenAt(i + 1) !== id)
        || (y > 0 && seenAt(i - width) !== id) || (y < height - 1 && seenAt(i + width) !== id);
      if (shown === 'lines' && !outline) continue;
      const light = outline ? LIGHTER : 0;
      for (let part = 0; part < 3; part++) data[at + part] = colors[id][part] * (1 - light) + 255 * light;
      data[at + 3] = (mask[i] !== NONE ? 255 : SUGGESTED) * (id === BACKGROUND ? FAINT : 1);
    }
  }
}

export function paintUncertainty() {
  const {current: {uncertainty}, width, height} = state;
  const pen = unsure.getContext('2d');
  const pixels = pen.createImageData(width, height);
  const most = uncertainty.reduce((one, other) => Math.max(one, other), LEAST_SHOWN);
  uncertainty.forEach((value, i) => pixels.data.set([255, 160, 0, Math.round(255 * value / most)], 4 * i));
  pen.putImageData(pixels, 0, 0);
}

/** Paints the pixels of the image for which something holds, given their column and row. */
export function paintMarks(isMarked) {
  const {width, height} = state;
  const pen = marks.getContext('2d');
  const pixels = pen.createImageData(width, height);
  const words = new Uint32Array(pixels.data.buffer);
  const color = new Uint32Array(Uint8Array.of(...MARKED).buffer)[0];
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) if (isMarked(x, y)) words[i] = color;
  }
  pen.putImageData(pixels, 0, 0);
}

/** Shows labels in `colors`, by their `lines` alone, or `nothing` of them; or a photo's `projection` without labels. */
export function showLabels(how) {
  if (state.shown === how) return;
  state.shown = how;
  if (state.current) paintOverlay();
}
