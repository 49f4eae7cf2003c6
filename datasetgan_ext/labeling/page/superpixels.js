'use strict';
// Regions: superpixels of the open image, cut by a worker.

const slicer = new Worker('slic.js');
let superpixels = null;    // what the worker answered last: {name, cell, labels, starts, pixels}
let slicing = false;

/** Those of the open image in the size that is set, or null while they are on the way. */
function regions() {
  return superpixels?.name === current.name && superpixels.cell === sizes.regions ? superpixels : null;
}

/** Has the open image cut up if the tool needs it. */
function slice() {
  if (tool !== 'regions' || !current || slicing || regions()) return;
  slicing = true;
  const sheet = new OffscreenCanvas(width, height).getContext('2d');
  sheet.drawImage(current.image, 0, 0, width, height);
  const rgba = sheet.getImageData(0, 0, width, height).data;
  slicer.postMessage({name: current.name, cell: sizes.regions, rgba, width, height}, [rgba.buffer]);
}

slicer.addEventListener('message', ({data}) => {
  superpixels = data;
  slicing = false;
  slice();    // another image or size may have been chosen meanwhile
  Object.assign(canvas.dataset, {regionsOf: data.name, cell: data.cell});
  redraw();
});

const pixelsOf = ({starts, pixels}, label) => pixels.subarray(starts[label], starts[label + 1]);

/** The superpixel at a place of the image; undefined outside it. */
function regionAt({labels}, [x, y]) {
  x = Math.floor(x); y = Math.floor(y);
  return x >= 0 && y >= 0 && x < width && y < height ? labels[y * width + x] : undefined;
}

/** Gives each superpixel that a line crosses the stroke's class. */
function paintRegions(from, to) {
  const steps = Math.max(1, Math.ceil(Math.max(Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1]))));
  for (let step = 0; step <= steps; step++) {
    const label = regionAt(stroke.regions, [0, 1].map(axis => from[axis] + (to[axis] - from[axis]) * step / steps));
    if (label === undefined || stroke.painted.has(label)) continue;
    stroke.painted.add(label);
    for (const i of pixelsOf(stroke.regions, label)) current.mask[i] = stroke.id;
  }
  paintOverlay();
}

function drawRegion() {
  const cut = tool === 'regions' && pointer && !panning && regions(), label = cut ? regionAt(cut, pointer) : undefined;
  if (label !== undefined) outlined(() => traceBorder(pixelsOf(cut, label), i => cut.labels[i] === label), 1.5);
}
