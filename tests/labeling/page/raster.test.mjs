// Which pixels the tools cover, on images small enough to count by hand.

import assert from 'node:assert/strict';
import test from 'node:test';

import {
  borderOf, boxOfChange, boxOfLine, boxOfPixels, connectedTo, coverLine, coverPolygon, neighborsOf, pixelAt, resized, snap,
  valuesIn,
} from '../../../datasetgan_ext/labeling/page/raster.js';

/** The pixels that a polygon covers, as rows of text. */
function polygonRows(corners, width, height) {
  const rows = Array.from({length: height}, () => Array(width).fill('.'));
  coverPolygon(corners, width, height, i => { rows[Math.floor(i / width)][i % width] = '#'; });
  return rows.map(row => row.join(''));
}

function lineRows(from, to, size, width, height) {
  const rows = Array.from({length: height}, () => Array(width).fill('.'));
  const box = boxOfLine(from, to, size / 2, width, height);
  coverLine(from, to, size / 2, box, width, i => { rows[Math.floor(i / width)][i % width] = '#'; });
  return rows.map(row => row.join(''));
}

test('a rectangle covers the pixels whose centre is inside', () => {
  assert.deepEqual(polygonRows([[1, 1], [4, 1], [4, 3], [1, 3]], 6, 4), ['......', '.###..', '.###..', '......']);
  // 0.6 is beyond the first centre, 3.4 before that of the fourth pixel
  assert.deepEqual(polygonRows([[0.6, 0], [3.4, 0], [3.4, 1], [0.6, 1]], 5, 1), ['.##..']);
});

test('a centre on a side belongs to the left side and not to the right one', () => {
  assert.deepEqual(polygonRows([[0.5, 0], [2.5, 0], [2.5, 1], [0.5, 1]], 4, 1), ['##..']);
});

test('a triangle', () => {
  assert.deepEqual(polygonRows([[0, 0], [4, 4], [0, 4]], 4, 4), ['....', '#...', '##..', '###.']);
});

test('the order of the corners does not matter', () => {
  const corners = [[0.2, 0.3], [5.7, 1.1], [4.4, 5.8], [1.3, 4.9]];
  assert.deepEqual(polygonRows(corners, 6, 6), polygonRows([...corners].reverse(), 6, 6));
});

test('where a polygon lies over itself it is outside (even-odd)', () => {
  const twice = [[0, 0], [5, 0], [5, 3], [0, 3], [0, 0], [1, 1], [4, 1], [4, 2], [1, 2], [1, 1]];
  assert.deepEqual(polygonRows(twice, 5, 3), ['#####', '#...#', '#####']);
});

test('a polygon larger than the image is cut off at its edges', () => {
  assert.deepEqual(polygonRows([[-9, -9], [1, -9], [1, 9], [-9, 9]], 3, 2), ['#..', '#..']);
});

test('a brush is a disc, and its size in pixels its width', () => {
  assert.deepEqual(lineRows([1.5, 1.5], [1.5, 1.5], 1, 3, 3), ['...', '.#.', '...']);
  assert.deepEqual(lineRows([2, 2], [2, 2], 2, 4, 4), ['....', '.##.', '.##.', '....']);
  assert.deepEqual(lineRows([2.5, 2.5], [2.5, 2.5], 3, 5, 5), ['.....', '.###.', '.###.', '.###.', '.....']);
  assert.deepEqual(lineRows([1.5, 0.5], [4.5, 0.5], 1, 6, 1), ['.####.']);
  assert.deepEqual(lineRows([0.5, 0.5], [0.5, 0.5], 5, 3, 3), ['###', '###', '##.']);
});

test('the middle of the brush is where its pixels are whole', () => {
  assert.deepEqual(snap([3.2, 3.9], 1), [3.5, 3.5]);
  assert.deepEqual(snap([3.2, 3.9], 2), [3, 4]);
});

test('pixels and their neighbours', () => {
  assert.equal(pixelAt([2.9, 1.1], 4, 3), 6);
  for (const outside of [[-0.1, 0], [0, -0.1], [4, 0], [0, 3]]) assert.equal(pixelAt(outside, 4, 3), undefined);
  assert.deepEqual(neighborsOf(0, 3, 6), [1, 3]);
  assert.deepEqual(neighborsOf(4, 3, 6), [3, 5, 1]);
  assert.deepEqual(neighborsOf(2, 3, 6), [1, 5]);
});

test('a region is connected along rows and columns, and not across corners or edges', () => {
  const values = [
    1, 1, 0, 1,
    0, 1, 0, 0,
    1, 0, 0, 1];
  assert.deepEqual(connectedTo(1, values, 4).sort((a, b) => a - b), [0, 1, 5]);
  assert.deepEqual(connectedTo(3, values, 4), [3]);
});

test('the border of pixels, those sides in one line joined', () => {
  // . # #
  // . # .
  const pixels = [1, 2, 4];
  assert.deepEqual(boxOfPixels(pixels, 3), {left: 1, upper: 0, right: 3, lower: 2});
  assert.deepEqual(borderOf(pixels, 3, 2, i => pixels.includes(i)), [
    [1, 0, 3, 0], [2, 1, 3, 1], [1, 2, 2, 2],    // across
    [1, 0, 1, 2], [2, 1, 2, 2], [3, 0, 3, 1],    // down
  ]);
});

test('the box of what has changed, and its values', () => {
  const before = new Uint8Array(5 * 4);
  const after = before.slice();
  assert.equal(boxOfChange(before, after, 5), null);
  after[1 * 5 + 3] = 7;
  assert.deepEqual(boxOfChange(before, after, 5), {left: 3, upper: 1, right: 4, lower: 2});
  after[2 * 5 + 1] = 8;
  const box = boxOfChange(before, after, 5);
  assert.deepEqual(box, {left: 1, upper: 1, right: 4, lower: 3});
  assert.deepEqual([...valuesIn(after, box, 5)], [0, 0, 7, 8, 0, 0]);
  after[0] = after[19] = 1;
  assert.deepEqual(boxOfChange(before, after, 5), {left: 0, upper: 0, right: 5, lower: 4});
});

test('a mask at another size', () => {
  const mask = Uint8Array.from([1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4]);
  assert.deepEqual([...resized(mask, 4, 4, 2, 2)], [1, 2, 3, 4]);
  assert.deepEqual([...resized(Uint8Array.from([1, 2]), 2, 1, 4, 2)], [1, 1, 2, 2, 1, 1, 2, 2]);
});
