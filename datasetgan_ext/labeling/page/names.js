// Names on the image: of classes at the pointer, and of keypoints.

import {pen} from './dom.js';
import {isProposed, shownPoint} from './keypoints.js';
import {pixelAt} from './raster.js';
import {ABSENT, NONE, state} from './state.js';
import {classNameOf} from './tools.js';
import {toScreen} from './view.js';

export const CHOSEN = '#ffd84d';

const HEIGHT = 14;         // of a name, in CSS pixels
const FONT = '600 12px system-ui, sans-serif';

let widest = null;         // of all names of classes, in CSS pixels

/** How far names reach to the right of the pointer and below it, in CSS pixels, at most. */
export function nameReach() {
  pen.font = FONT;
  const ids = [...state.task.classes.keys(), NONE];
  widest ??= Math.max(...ids.map(id => pen.measureText(`on ${classNameOf(id)}`).width));
  return [40 + 12 + 15 + widest + 4, 21 + HEIGHT];
}

/** The chosen class beside the pointer and, if it is another one, that under the pointer. */
export function drawNames() {
  const {pointer, painted, width, height, sizes, tool} = state;
  const i = pixelAt(pointer, width, height);
  if (i === undefined) return;
  const {mask, suggestion} = state.current;
  const under = mask[i] !== NONE || !suggestion ? mask[i] : suggestion[i];
  const [x, y] = toScreen(pointer);
  const reach = tool === 'brush' ? sizes.brush / 2 * state.current.view.scale : 0;
  const left = x + Math.min(reach, 40) + 12;
  drawName(painted, left, y + 4);
  if (under !== NONE && under !== painted) drawName(under, left, y + 21, 'on ');
}

function drawName(id, x, y, before = '') {
  pen.fillStyle = id === NONE ? '#fff' : `rgb(${state.colors[id]})`;
  pen.strokeStyle = '#000';
  pen.lineWidth = 1;
  pen.fillRect(x, y - 9, 10, 10);
  pen.strokeRect(x, y - 9, 10, 10);
  drawText(before + classNameOf(id), x + 15, y);
}

function drawText(text, x, y, color = '#fff') {
  pen.font = FONT;
  pen.lineWidth = 3;
  pen.lineJoin = 'round';
  pen.strokeStyle = '#000';
  pen.fillStyle = color;
  pen.strokeText(text, x, y);
  pen.fillText(text, x, y);
}

/** The names of keypoints, each beside its own, above or below it: where it lies over none of those before. */
export function drawPointNames() {
  const {current, task} = state;
  const taken = [];
  task.keypoints.forEach((pointName, index) => {
    const point = shownPoint(index);
    if (point[2] === ABSENT) return;
    const text = pointName + (isProposed(index) ? '?' : '');
    const place = freePlace(text, toScreen(point), taken);
    taken.push(place);
    drawText(text, place.left, place.base, index === current.chosenPoint ? CHOSEN : '#fff');
  });
}

function freePlace(text, [x, y], taken) {
  pen.font = FONT;
  const {width} = pen.measureText(text);
  const places = [[x + 11, y + 4], [x - 11 - width, y + 4], [x - width / 2, y + 22], [x - width / 2, y - 12]].map(
    ([left, base]) => ({left, base, width}));
  return places.find(place => !taken.some(other => isOver(place, other))) ?? places[0];
}

const isOver = (one, other) => one.left < other.left + other.width && other.left < one.left + one.width
  && Math.abs(one.base - other.base) < HEIGHT;
