'use strict';
// Toolbar and panels.

function element(tag, className, text = '') {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function choose(name) {
  if (document.querySelector(`[data-tool=${name}]`).hidden) return;
  if (name !== 'polygon') cancelPolygon();
  tool = name;
  showState();
  redraw();
}

function pickClass(id) {
  if (!task.classes.length) return;
  painted = id;
  if (tool === 'eraser' || tool === 'keypoints') tool = 'brush';
  showState();
}

function resize(by) {
  setSize(sizes[sized()] + by * Math.max(1, Math.round(sizes[sized()] / 8)));
}

/** Whose size is set: that of the regions, or that of brush and eraser. */
const sized = () => tool === 'regions' ? 'regions' : 'brush';

function setSize(value) {
  sizes[sized()] = Math.min(Number($('size').max), Math.max(1, value));
  showState();
  redraw();
}

function buildPanels() {
  const ids = [...task.classes.keys(), NONE];
  for (const id of task.classes.length ? ids : []) {
    const item = document.createElement('li'), button = document.createElement('button');
    const swatch = element('span', id === NONE ? 'swatch none' : 'swatch');
    if (id !== NONE) swatch.style.backgroundColor = `rgb(${colours[id]})`;
    button.append(swatch, element('span', '', id === NONE ? 'no label' : task.classes[id]),
      element('span', 'key', id === NONE ? 'N' : id < 10 ? id : ''));
    button.dataset.id = id;
    button.addEventListener('click', () => pickClass(id));
    item.append(button);
    $('classes').append(item);
  }
  task.keypoints.forEach((name, index) => {
    const item = document.createElement('li');
    const button = element('button', 'name', name), seen = element('button', 'seen');
    button.addEventListener('click', () => { chosenPoint = index; choose('keypoints'); });
    seen.title = 'suggested, visible, occluded, absent (V); Delete takes it away';
    seen.addEventListener('click', () => { chosenPoint = index; turnPoint(index); });
    item.append(button, seen);
    $('keypoints').append(item);
  });
  $('class-section').hidden = !task.classes.length;
  $('suggest-section').hidden = !task.suggests;
  $('uncertainty-row').hidden = $('check-section').hidden = !task.suggests || !task.classes.length;
  $('keypoint-section').hidden = !task.keypoints.length;
  for (const button of document.querySelectorAll('[data-tool]')) {
    button.hidden = button.dataset.tool === 'keypoints' ? !task.keypoints.length : !task.classes.length;
    button.addEventListener('click', () => choose(button.dataset.tool));
  }
  if (!task.classes.length) tool = 'keypoints';
}

/** Brings buttons and panels up to date. */
function showState() {
  for (const button of document.querySelectorAll('[data-tool]')) {
    button.setAttribute('aria-pressed', button.dataset.tool === tool);
  }
  for (const button of document.querySelectorAll('#classes button')) {
    button.setAttribute('aria-pressed', Number(button.dataset.id) === painted);
  }
  [...$('keypoints').children].forEach((item, index) => {
    item.firstChild.setAttribute('aria-pressed', index === chosenPoint);
    item.lastChild.textContent = current && isProposed(index) ? 'suggested' : SEEN[current?.points[index][2] ?? ABSENT];
  });
  $('size-row').hidden = tool !== 'regions' && tool !== 'brush' && tool !== 'eraser';
  $('erase-row').hidden = tool !== 'eraser';
  $('size').value = sizes[sized()];
  $('size-text').textContent = `${sizes[sized()]} px`;
  $('undo').disabled = !done.length;
  $('redo').disabled = !undone.length;
  slice();
}

function toggleHelp() {
  $('help').hidden = !$('help').hidden;
  $('keys').setAttribute('aria-expanded', !$('help').hidden);
}

function showUnder() {
  const [x, y] = (pointer ?? [-1, -1]).map(Math.floor);
  let text = '';
  if (current && x >= 0 && y >= 0 && x < width && y < height) {
    const id = current.mask[y * width + x];
    text = `x ${x}, y ${y}` + (task.classes.length ? `: ${id === NONE ? 'no label' : task.classes[id]}` : '');
  }
  $('under').textContent = text;
}
