// The labels as a picture of the image's size, and the uncertainty.

import {BACKGROUND, NONE, state} from './state.js';
import {redraw} from './view.js';

export const FAINT = 0.4;  // of the background, and of all classes beneath the uncertainty
const SUGGESTED = 190;     // opacity of what is only suggested, of 255
const LEAST_SHOWN = 20;    // uncertainty that is shown in full at least

export const overlay = document.createElement('canvas');
export const unsure = document.createElement('canvas');

export function sizeOverlays() {
  for (const sheet of [overlay, unsure]) Object.assign(sheet, {width: state.width, height: state.height});
}

const wholeImage = () => ({left: 0, upper: 0, right: state.width, lower: state.height});

/** Brings a part up to date with the mask and, where there is no label, with the suggestion. */
export function paintOverlay(box = wholeImage()) {
  const {left, upper, right, lower} = box;
  redraw();
  if (right <= left || lower <= upper) return;
  const {current: {mask, suggestion}, width, colors} = state;
  const pen = overlay.getContext('2d');
  const pixels = pen.createImageData(right - left, lower - upper);
  for (let y = upper, at = 0; y < lower; y++) {
    for (let i = y * width + left; i < y * width + right; i++, at += 4) {
      const drawn = mask[i] !== NONE;
      const id = drawn ? mask[i] : suggestion?.[i] ?? NONE;
      if (id === NONE) continue;
      const [red, green, blue] = colors[id];
      pixels.data[at] = red;
      pixels.data[at + 1] = green;
      pixels.data[at + 2] = blue;
      pixels.data[at + 3] = (drawn ? 255 : SUGGESTED) * (id === BACKGROUND ? FAINT : 1);
    }
  }
  pen.putImageData(pixels, left, upper);
}

export function paintUncertainty() {
  const {current: {uncertainty}, width, height} = state;
  const pen = unsure.getContext('2d');
  const pixels = pen.createImageData(width, height);
  const most = uncertainty.reduce((one, other) => Math.max(one, other), LEAST_SHOWN);
  uncertainty.forEach((value, i) => pixels.data.set([255, 160, 0, Math.round(255 * value / most)], 4 * i));
  pen.putImageData(pixels, 0, 0);
}
