'use strict';
// Drawing on the screen.

let redrawAsked = false;
function redraw() {
  if (redrawAsked) return;
  redrawAsked = true;
  requestAnimationFrame(() => { redrawAsked = false; draw(); });
}

function draw() {
  const ratio = window.devicePixelRatio, box = canvas.getBoundingClientRect();
  const across = Math.round(box.width * ratio), down = Math.round(box.height * ratio);
  if (canvas.width !== across || canvas.height !== down) { canvas.width = across; canvas.height = down; }
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, across, down);
  if (!current) return;
  Object.assign(canvas.dataset, {scale: view.scale, x: view.x, y: view.y});
  pen.setTransform(ratio * view.scale, 0, 0, ratio * view.scale, ratio * view.x, ratio * view.y);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(current.image, 0, 0, width, height);
  const doubts = $('uncertainty').checked && current.uncertainty;
  pen.globalAlpha = $('opacity').value / 100 * (doubts ? FAINT : 1);
  pen.drawImage(overlay, 0, 0);
  pen.globalAlpha = 1;
  if (doubts) {
    pen.fillStyle = '#101828a0';
    pen.fillRect(0, 0, width, height);
    pen.drawImage(unsure, 0, 0);
  }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  drawPolygon();
  drawDoubts();
  drawPoints();
  drawRegion();
  if (pointer && (tool === 'brush' || tool === 'eraser') && !panning) {
    const [x, y] = toScreen(snap(pointer));
    outlined(() => pen.arc(x, y, Math.max(1.5, sizes.brush / 2 * view.scale), 0, 7), 1.5);
  }
}

/** A line that is seen on any ground: a bright one within black. */
function outlined(path, line, colour = '#fff') {
  pen.beginPath();
  path();
  pen.strokeStyle = '#000'; pen.lineWidth = line + 1.5; pen.stroke();
  pen.strokeStyle = colour; pen.lineWidth = line; pen.stroke();
}

/** Adds the borders of some pixels to the path: the sides on which a pixel has a neighbour that is not inside. */
function traceBorder(pixels, inside) {
  const line = (...ends) => { pen.moveTo(...toScreen(ends[0])); pen.lineTo(...toScreen(ends[1])); };
  for (const i of pixels) {
    const x = i % width, y = Math.floor(i / width);
    if (x === 0 || !inside(i - 1)) line([x, y], [x, y + 1]);
    if (x === width - 1 || !inside(i + 1)) line([x + 1, y], [x + 1, y + 1]);
    if (y === 0 || !inside(i - width)) line([x, y], [x + 1, y]);
    if (y === height - 1 || !inside(i + width)) line([x, y + 1], [x + 1, y + 1]);
  }
}

function drawPolygon() {
  if (!polygon.length) return;
  const corners = [...polygon, ...(pointer ? [pointer] : [])].map(toScreen);
  outlined(() => corners.forEach(([x, y], i) => i ? pen.lineTo(x, y) : pen.moveTo(x, y)), 1.5);
  for (const [x, y] of polygon.map(toScreen)) outlined(() => pen.arc(x, y, 3.5, 0, 7), 1.5);
}

function drawPoints() {
  for (const [from, to] of task.skeleton ?? []) {
    const ends = [shownPoint(from), shownPoint(to)];
    if (ends.some(point => point[2] === ABSENT)) continue;
    outlined(() => { pen.moveTo(...toScreen(ends[0])); pen.lineTo(...toScreen(ends[1])); }, 1);
  }
  pen.font = '600 12px system-ui, sans-serif';
  current.points.forEach((_, index) => {
    const point = shownPoint(index), proposed = isProposed(index);
    if (point[2] === ABSENT) return;
    const [x, y] = toScreen(point);
    if (proposed) pen.setLineDash([3, 3]);
    outlined(() => pen.arc(x, y, proposed ? 8 : 6, 0, 7), 2);
    pen.setLineDash([]);
    pen.fillStyle = point[2] === VISIBLE ? '#0b5cad' : '#fff';
    if (!proposed) pen.fill();
    if (tool !== 'keypoints') return;
    pen.lineWidth = 3; pen.strokeStyle = '#000'; pen.fillStyle = index === chosenPoint ? '#ffd84d' : '#fff';
    const text = task.keypoints[index] + (proposed ? '?' : '');
    pen.strokeText(text, x + 11, y + 4);
    pen.fillText(text, x + 11, y + 4);
  });
}

/** A keypoint as it is placed or else, in a place that is not confirmed, as it is suggested. */
const shownPoint = index => isProposed(index) ? current.proposed[index] : current.points[index];

/** Brings a part of the overlay up to date with the mask and, where there is no label, with the suggestion. */
function paintOverlay(left = 0, top = 0, right = width, bottom = height) {
  if (right <= left || bottom <= top) return redraw();
  const pixels = overlay.getContext('2d').createImageData(right - left, bottom - top);
  for (let y = top, at = 0; y < bottom; y++) {
    for (let i = y * width + left; i < y * width + right; i++, at += 4) {
      const drawn = current.mask[i] !== NONE, id = drawn ? current.mask[i] : current.suggestion?.[i] ?? NONE;
      if (id === NONE) continue;
      const [red, green, blue] = colours[id];
      pixels.data[at] = red; pixels.data[at + 1] = green; pixels.data[at + 2] = blue;
      pixels.data[at + 3] = (drawn ? 255 : 190) * (id === BACKGROUND ? FAINT : 1);
    }
  }
  overlay.getContext('2d').putImageData(pixels, left, top);
  redraw();
}

const toScreen = ([x, y]) => [x * view.scale + view.x, y * view.scale + view.y];

function toImage(event) {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left - view.x) / view.scale, (event.clientY - box.top - view.y) / view.scale];
}

function fit() {
  const box = canvas.getBoundingClientRect();
  view.scale = Math.min(box.width / width, box.height / height) * 0.96;
  view.x = (box.width - width * view.scale) / 2;
  view.y = (box.height - height * view.scale) / 2;
  redraw();
}

function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
  const scale = Math.min(MAX_SCALE, Math.max(MIN_SCALE, view.scale * factor));
  view.x = x - (x - view.x) * scale / view.scale;
  view.y = y - (y - view.y) * scale / view.scale;
  view.scale = scale;
  redraw();
}
