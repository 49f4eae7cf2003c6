// A single region or class of the suggestion, taken or refused.

import {say} from './dom.js';
import {beforeChange, saveMask} from './labels.js';
import {paintOverlay} from './overlay.js';
import {connectedTo, pixelAt} from './raster.js';
import {NONE, state, tell} from './state.js';
import {redraw} from './view.js';

/** What is suggested of each pixel that has no label. */
function pendingIds() {
  const {mask, suggestion} = state.current;
  return suggestion.map((id, i) => mask[i] === NONE ? id : NONE);
}

/**
 * The pixels of the suggested region that a place is in, or of all that is suggested of its class.
 *
 * @param {?Place} place
 * @param {boolean} whole  the whole class
 */
function suggestedAt(place, whole) {
  const {current, width, height} = state;
  const first = place && current.suggestion ? pixelAt(place, width, height) : undefined;
  const ids = first === undefined ? [] : pendingIds();
  if (first === undefined || ids[first] === NONE) {
    say('Nothing is suggested there');
    return [];
  }
  if (!whole) return connectedTo(first, ids, width);
  const pixels = [];
  ids.forEach((id, i) => { if (id === ids[first]) pixels.push(i); });
  return pixels;
}

/** Takes what is suggested at a place as labels. */
export function acceptPart(place, whole = false) {
  const pixels = suggestedAt(place, whole);
  if (!pixels.length) return;
  const {mask, suggestion} = state.current;
  beforeChange();
  for (const i of pixels) mask[i] = suggestion[i];
  paintOverlay();
  tell('suggestion');
  saveMask();
}

/** Has what is suggested at a place not suggested again. */
export function refusePart(place, whole = false) {
  const pixels = suggestedAt(place, whole);
  if (!pixels.length) return;
  const {current} = state;
  beforeChange();
  const refused = current.refused?.slice() ?? new Uint8Array(current.mask.length).fill(NONE);
  const suggestion = current.suggestion.slice();
  for (const i of pixels) {
    refused[i] = suggestion[i];
    suggestion[i] = NONE;
  }
  Object.assign(current, {refused, suggestion});
  paintOverlay();
  tell('suggestion');
  redraw();
}
