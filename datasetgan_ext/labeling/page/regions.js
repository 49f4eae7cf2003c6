// The tool that paints superpixels, which a worker cuts the open image into.

import {canvas} from './dom.js';
import {beforeChange, painter} from './labels.js';
import {paintOverlay} from './overlay.js';
import {boxOfPixels} from './raster.js';
import {on, state} from './state.js';
import {pixelsOf, regionsAlong} from './superpixels.js';
import {redraw} from './view.js';

let worker = null;
let cut = null;            // what the worker answered last: {of, cell, width, height, labels, starts, pixels}
let slicing = false;

/** Those of the open image in the size that is set, or null while they are on the way. */
export function regions() {
  return cut?.of === state.current.name && cut.cell === state.sizes.regions ? cut : null;
}

/** Has the open image cut up if the tool needs it. */
function slice() {
  if (state.tool !== 'regions' || !state.current || slicing || regions()) return;
  const {width, height} = state;
  slicing = true;
  const sheet = new OffscreenCanvas(width, height).getContext('2d');
  sheet.drawImage(state.current.image, 0, 0, width, height);
  const {data: rgba} = sheet.getImageData(0, 0, width, height);
  const wish = {of: state.current.name, cell: state.sizes.regions, width, height, rgba};
  slicer().postMessage(wish, [rgba.buffer]);
}

function slicer() {
  if (!worker) {
    worker = new Worker('slic-worker.js', {type: 'module'});
    worker.addEventListener('message', ({data}) => takeCut(data));
  }
  return worker;
}

function takeCut(data) {
  cut = data;
  slicing = false;
  slice();    // another image or size may have been chosen meanwhile
  Object.assign(canvas.dataset, {regionsOf: data.of, cell: data.cell});
  redraw();
}

export function startRegions(place) {
  beforeChange();
  state.stroke = {last: place, id: state.painted, regions: regions(), painted: new Set()};
  paintRegions(place, place);
}

/** Gives each superpixel that a line crosses the stroke's class. */
export function paintRegions(from, to) {
  const {stroke, width} = state;
  const paint = painter(stroke.id);
  for (const label of regionsAlong(stroke.regions, from, to)) {
    if (stroke.painted.has(label)) continue;
    stroke.painted.add(label);
    const pixels = pixelsOf(stroke.regions, label);
    pixels.forEach(paint);
    paintOverlay(boxOfPixels(pixels, width));
  }
}

on('tools', slice);
on('opened', slice);
