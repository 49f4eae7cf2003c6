// Superpixels of images whose pieces are known.

import assert from 'node:assert/strict';
import test from 'node:test';

import {connected, sorted, superpixels, toLab} from '../../../datasetgan_ext/labeling/page/slic.js';
import {pixelsOf, regionAt, regionsAlong} from '../../../datasetgan_ext/labeling/page/superpixels.js';
import {connectedTo} from '../../../datasetgan_ext/labeling/page/raster.js';

const rgbaOf = colors => Uint8ClampedArray.from(colors.flatMap(color => [...color, 255]));

/** An image of squares of different colours, and the number of each pixel's square. */
function squares(width, height, side) {
  const numbers = [];
  const colors = [];
  for (let i = 0; i < width * height; i++) {
    const number = Math.floor(i / width / side) * 32 + Math.floor(i % width / side);
    numbers.push(number);
    colors.push([number * 67 % 256, number * 101 % 256, number * 149 % 256]);
  }
  return {numbers, rgba: rgbaOf(colors)};
}

test('CIELAB of known colours (white, black, red of sRGB)', () => {
  const lab = toLab(rgbaOf([[255, 255, 255], [0, 0, 0], [255, 0, 0]]));
  const expected = [100, 0, 0, 0, 0, 0, 53.24, 80.09, 67.2];
  lab.forEach((value, i) => assert.ok(Math.abs(value - expected[i]) < 0.1, `${value} is not ${expected[i]}`));
});

test('small pieces join their left neighbour, in the first column that above', () => {
  const clusters = [
    0, 0, 1, 0,
    0, 0, 0, 0,
    2, 0, 0, 0];
  const {labels, count} = connected(clusters, 4, 2);
  assert.equal(count, 1);
  assert.deepEqual([...labels], Array(12).fill(0));
  assert.equal(connected(clusters, 4, 1).count, 3);
});

test('pieces of one cluster that do not touch are two superpixels', () => {
  const {labels, count} = connected([0, 1, 0], 3, 1);
  assert.deepEqual([[...labels], count], [[0, 1, 2], 3]);
});

test('the pixels sorted by their label', () => {
  const {starts, pixels} = sorted(Int32Array.from([2, 0, 1, 0]), 3);
  assert.deepEqual([[...starts], [...pixels]], [[0, 2, 3, 4], [1, 3, 2, 0]]);
});

test('squares of different colours are found as they are', () => {
  const {numbers, rgba} = squares(32, 24, 8);
  const cut = superpixels(rgba, 32, 24, 8);
  assert.equal(cut.starts.length - 1, 12);
  cut.labels.forEach((label, i) => assert.equal(label, cut.labels[numbers.indexOf(numbers[i])]));
  assert.equal(new Set(cut.labels).size, 12);
});

test('superpixels of soft noise are connected and cover the image, about one a cell', () => {
  const noise = Uint8ClampedArray.from({length: 4 * 40 * 30}, (_, i) => 100 + i * 7919 % 16);
  const {labels, starts, pixels} = superpixels(noise, 40, 30, 6);
  const count = starts.length - 1;
  assert.deepEqual([...pixels].sort((a, b) => a - b), [...Array(1200).keys()]);
  for (let label = 0; label < count; label++) {
    const own = pixelsOf({starts, pixels}, label);
    assert.ok(own.length > 0 && own.every(i => labels[i] === label));
    assert.equal(connectedTo(own[0], labels, 40).length, own.length);
  }
  assert.ok(count > 1200 / 36 / 2 && count < 1200 / 36 * 2);
});

test('the superpixels that a line crosses, each once', () => {
  const {rgba} = squares(32, 8, 8);
  const cut = {width: 32, height: 8, ...superpixels(rgba, 32, 8, 8)};
  const at = x => regionAt(cut, [x, 4]);
  assert.deepEqual([...regionsAlong(cut, [9, 4], [25, 4])], [at(9), at(17), at(25)]);
  assert.deepEqual([...regionsAlong(cut, [-5, 4], [1, 4])], [at(1)]);
  assert.equal(regionAt(cut, [32, 4]), undefined);
});
