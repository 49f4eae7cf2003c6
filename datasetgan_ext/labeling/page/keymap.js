// What each key does: one table for the keyboard and for the dialog. Letters and signs are what the key types; digits
// are those of the row above the letters, with Shift or without (French keyboards), or of the number pad. No key needs
// a sign that one of the German, French and US keyboards has only with Alt.

import {$} from './dom.js';
import {changeDoubted, keepDoubted, stepDoubt} from './doubts.js';
import {step} from './images.js';
import {markAbsent, nudgePoint, removePoint, skipPoint, turnPoint} from './keypoints.js';
import {redo, removeCorner, undo} from './labels.js';
import {toggleOverview} from './overview.js';
import {findClass, toggleHelp} from './panels.js';
import {acceptPart, refusePart} from './parts.js';
import {cancelPolygon, closePolygon} from './polygon.js';
import {dropMark, takeMark, widenMark} from './similar.js';
import {NONE, state} from './state.js';
import {accept, acceptAndGoOn, dismiss, suggest, toggleAuto} from './suggestions.js';
import {choose, pickClass, resize, takeClassAt, toggleGuard, toggleOnlyBlank} from './tools.js';
import {fit, zoom} from './view.js';

/** Does something with the chosen keypoint, if there are keypoints. */
const withPoint = act => () => { if (state.task.keypoints.length) act(state.current.chosenPoint); };

const resizeTool = by => state.mark ? widenMark(by) : resize(by);

function finish() {
  if (state.current.polygon.length) closePolygon();
  else if (state.mark) takeMark();
  else accept();
}

function giveUp() {
  if (state.current.polygon.length) cancelPolygon();
  else if (state.mark) dropMark();
  else dismiss();
}

/**
 * @typedef {object} Key
 * @property {string} label  as the dialog shows it
 * @property {string} text  what it does
 * @property {string[]} [keys]  as KeyboardEvent.key names them, letters in lower case; with `Ctrl+` or `Shift+` before
 * @property {() => void} [act]
 */

/** @type {Object<string, Key[]>} */
export const KEYMAP = {
  Tools: [
    {label: 'B', text: 'Brush', keys: ['b'], act: () => choose('brush')},
    {label: 'E', text: 'Eraser (so is the other end of a pen)', keys: ['e'], act: () => choose('eraser')},
    {label: 'P', text: 'Polygon', keys: ['p'], act: () => choose('polygon')},
    {label: 'R', text: 'Regions of one colour', keys: ['r'], act: () => choose('regions')},
    {label: 'G', text: 'Fill a region, also a suggested one', keys: ['g'], act: () => choose('fill')},
    {label: 'Z', text: 'Similar pixels: click a part, the wheel takes more or less, Enter takes them', keys: ['z'],
      act: () => choose('similar')},
    {label: 'K', text: 'Keypoints', keys: ['k'], act: () => choose('keypoints')},
    {label: 'I, O', text: 'Smaller, larger brush, regions or mark (also [ and ])', keys: ['i', '['],
      act: () => resizeTool(-1)},
    {keys: ['o', ']'], act: () => resizeTool(1)},
    {label: 'X', text: 'Paint only what has no label, or all', keys: ['x'], act: toggleOnlyBlank},
  ],
  Classes: [
    {label: '0 – 9', text: 'Class of that number; two digits soon after each other from 10 on'},
    {label: 'N', text: 'No label', keys: ['n'], act: () => pickClass(NONE)},
    {label: 'C', text: 'Find a class by its name; Enter takes the first', keys: ['c'], act: findClass},
    {label: 'T or Alt+click', text: 'Take the class under the pointer', keys: ['t'],
      act: () => takeClassAt(state.pointer)},
    {label: 'Q', text: 'Protect the chosen class, or give it free', keys: ['q'], act: () => toggleGuard(state.painted)},
  ],
  Polygon: [
    {label: 'Enter', text: 'Close it (so does a double click, or a click on the first corner); or accept a suggestion',
      keys: ['Enter'], act: finish},
    {label: 'Backspace', text: 'Take the last corner back', keys: ['Backspace'], act: removeCorner},
    {label: 'Esc', text: 'Give it up; or dismiss a suggestion', keys: ['Escape'], act: giveUp},
  ],
  Keypoints: [
    {label: 'J', text: 'Skip to the next one that is not done', keys: ['j'], act: withPoint(skipPoint)},
    {label: 'Shift+click or right button', text: 'Place it as occluded'},
    {label: 'V', text: 'Visible, occluded, absent', keys: ['v'], act: withPoint(turnPoint)},
    {label: 'D', text: 'It is not there: absent, and done', keys: ['d'], act: withPoint(markAbsent)},
    {label: 'Delete', text: 'Take it away: not done', keys: ['Delete'], act: withPoint(removePoint)},
    {label: 'Shift+arrows', text: 'Move it by a pixel', keys: ['Shift+ArrowLeft'],
      act: withPoint(() => nudgePoint(-1, 0))},
    {keys: ['Shift+ArrowRight'], act: withPoint(() => nudgePoint(1, 0))},
    {keys: ['Shift+ArrowUp'], act: withPoint(() => nudgePoint(0, -1))},
    {keys: ['Shift+ArrowDown'], act: withPoint(() => nudgePoint(0, 1))},
  ],
  Suggestions: [
    {label: 'A', text: 'Suggestions come by themselves, or when asked for', keys: ['a'], act: toggleAuto},
    {label: 'S', text: 'Suggest now', keys: ['s'], act: suggest},
    {label: 'Shift+Enter', text: 'Accept and open the next image', keys: ['Shift+Enter'], act: acceptAndGoOn},
    {label: 'Ctrl+click, Ctrl+Enter', text: 'Accept the suggested region under the pointer; with Shift its class',
      keys: ['Ctrl+Enter'], act: () => acceptPart(state.pointer)},
    {keys: ['Ctrl+Shift+Enter'], act: () => acceptPart(state.pointer, true)},
    {label: 'Right click, Ctrl+Backspace', text: 'Refuse the suggested region under the pointer; with Shift its class',
      keys: ['Ctrl+Backspace'], act: () => refusePart(state.pointer)},
    {keys: ['Ctrl+Shift+Backspace'], act: () => refusePart(state.pointer, true)},
    {label: 'Home', text: 'All images at a glance', keys: ['Home'], act: toggleOverview},
    {label: 'U', text: 'Show where it is unsure', keys: ['u'], act: () => $('uncertainty').click()},
  ],
  'Label errors': [
    {label: ', and .', text: 'Previous, next doubt', keys: [','], act: () => stepDoubt(-1)},
    {keys: ['.'], act: () => stepDoubt(1)},
    {label: 'Y', text: 'Yes, change it, and go on', keys: ['y'], act: changeDoubted},
    {label: 'W', text: 'No, keep it, and go on', keys: ['w'], act: keepDoubted},
  ],
  View: [
    {label: 'Hold M', text: 'Hide the labels'},
    {label: 'Hold Shift+M', text: 'Of a photo: what the network makes of it, whose features are learned'},
    {label: 'Hold L', text: 'Outlines alone'},
    {label: 'Wheel, pinch, + −', text: 'Zoom', keys: ['+', '='], act: () => zoom(1.25)},
    {keys: ['-'], act: () => zoom(0.8)},
    {label: 'F', text: 'Whole image', keys: ['f'], act: fit},
    {label: 'Space, middle button, two fingers', text: 'Move the view'},
    {label: '↑ ↓', text: 'Previous, next image', keys: ['ArrowUp'], act: () => step(-1)},
    {keys: ['ArrowDown'], act: () => step(1)},
    {label: 'Ctrl+Z', text: 'Undo', keys: ['Ctrl+z'], act: undo},
    {label: 'Ctrl+Shift+Z, Ctrl+Y', text: 'Redo', keys: ['Ctrl+Shift+z', 'Ctrl+y'], act: redo},
    {label: 'H', text: 'This list', keys: ['h', '?'], act: toggleHelp},
  ],
};

/** Action by key. */
export const ACTIONS = new Map(
  Object.values(KEYMAP).flat().flatMap(({keys = [], act}) => keys.map(key => [key, act])));
