'use strict';
// Pointer and keys.

canvas.addEventListener('pointerdown', event => {
  if (!current || stroke || panning || dragged !== null) return;
  canvas.setPointerCapture(event.pointerId);
  pointer = toImage(event);
  say('');
  if (event.button === 1 || spaceDown) { panning = {x: event.clientX - view.x, y: event.clientY - view.y}; return; }
  if (event.button !== 0) return;
  if (tool === 'brush' || tool === 'eraser') {
    beforeChange();
    stroke = {last: snap(pointer), id: tool === 'brush' ? painted : Number($('erase').value)};
    paintLine(stroke.last, stroke.last, stroke.id);
  } else if (tool === 'regions') {
    if (!regions()) return say('The regions are being found; try again in a moment');
    beforeChange();
    stroke = {last: pointer, id: painted, regions: regions(), painted: new Set()};
    paintRegions(pointer, pointer);
  } else if (tool === 'polygon') {
    polygon.push(pointer);
    redraw();
  } else if (tool === 'fill') {
    fill(pointer);
  } else {
    takePoint(event);
  }
});

function takePoint(event) {
  const near = nearestPoint(event);
  beforeChange();
  if (near >= 0) chosenPoint = near;
  dragged = {index: chosenPoint, placed: near < 0 || isProposed(near)};
  if (near >= 0 && isProposed(near)) setPoint(near, current.proposed[near]);
  if (near < 0) movePoint(current.points[chosenPoint][2] || VISIBLE);
  showState();
  redraw();
}

function movePoint(seen) {
  const place = [clamp(pointer[0], width), clamp(pointer[1], height)].map(value => Math.round(value * 100) / 100);
  setPoint(dragged.index, [...place, seen]);
}

canvas.addEventListener('pointermove', event => {
  pointer = toImage(event);
  if (panning) {
    view.x = event.clientX - panning.x;
    view.y = event.clientY - panning.y;
  } else if (stroke) {
    for (const part of event.getCoalescedEvents().concat(event)) {
      const next = stroke.regions ? toImage(part) : snap(toImage(part));
      if (stroke.regions) paintRegions(stroke.last, next);
      else paintLine(stroke.last, next, stroke.id);
      stroke.last = next;
    }
  } else if (dragged !== null) {
    movePoint(current.points[dragged.index][2]);
  }
  showUnder();
  redraw();
});

function endOfDrag() {
  if (stroke) { stroke = null; saveMask(); }
  if (dragged !== null) {
    const {placed} = dragged;
    dragged = null;
    const absent = current.points.findIndex(point => point[2] === ABSENT);
    if (placed && absent >= 0) chosenPoint = absent;
    savePoints();
  }
  panning = null;
  redraw();
}
canvas.addEventListener('pointerup', endOfDrag);
canvas.addEventListener('pointercancel', endOfDrag);
canvas.addEventListener('pointerleave', () => { pointer = null; showUnder(); redraw(); });
canvas.addEventListener('dblclick', () => { if (tool === 'polygon') closePolygon(); });
canvas.addEventListener('wheel', event => {
  event.preventDefault();
  const box = canvas.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.clientX - box.left, event.clientY - box.top);
}, {passive: false});
new ResizeObserver(redraw).observe(canvas);

const KEYS = {
  b: () => choose('brush'), e: () => choose('eraser'), p: () => choose('polygon'), g: () => choose('fill'),
  r: () => choose('regions'), k: () => choose('keypoints'), n: () => pickClass(NONE),
  '[': () => resize(-1), ']': () => resize(1),
  '+': () => zoom(1.25), '=': () => zoom(1.25), '-': () => zoom(0.8), f: fit, s: suggest,
  u: () => { $('uncertainty').click(); }, h: toggleHelp,
  Delete: () => { if (task.keypoints.length) removePoint(chosenPoint); },
  ',': () => stepDoubt(-1), '.': () => stepDoubt(1),
  v: () => { if (task.keypoints.length) turnPoint(chosenPoint); },
  Enter: () => polygon.length ? closePolygon() : accept(), Escape: () => polygon.length ? cancelPolygon() : dismiss(),
  ArrowUp: () => step(-1), ArrowDown: () => step(1),
};

document.addEventListener('keydown', event => {
  if (!current) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key, control = event.ctrlKey || event.metaKey;
  if (control && (key === 'z' || key === 'y')) {
    event.preventDefault();
    return key === 'y' || event.shiftKey ? travel(undone, done) : travel(done, undone);
  }
  // keys that a focused control has a use for itself
  const own = {SELECT: true, INPUT: key.startsWith('Arrow') || key === ' ',
    BUTTON: key === 'Enter' || key === ' '}[event.target.tagName];
  if (control || event.altKey || own || stroke || dragged !== null) return;
  if (key === ' ') {
    spaceDown = true;
    canvas.classList.add('pan');
  } else if (/^\d$/.test(key)) {
    if (Number(key) < task.classes.length) pickClass(Number(key));
  } else if (KEYS[key]) {
    KEYS[key]();
  } else {
    return;
  }
  event.preventDefault();
});
document.addEventListener('keyup', event => {
  if (event.key === ' ') { spaceDown = false; canvas.classList.remove('pan'); }
});
window.addEventListener('blur', () => { spaceDown = false; canvas.classList.remove('pan'); });
