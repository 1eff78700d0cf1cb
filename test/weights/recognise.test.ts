import { expect, test } from 'vitest';
import { outcome, refusal, safetensors } from './build.js';

const text = (content: string) => Uint8Array.from(content, (c) => c.charCodeAt(0) & 255);
const at = (offset: number, content: string) => text('x'.repeat(offset) + content.padEnd(400, ' '));

test.each<[string, Uint8Array, RegExp]>([
  ['empty', text(''), /the file is empty/],
  ['seven bytes', text('{"a":1}'), /JSON text/],
  [
    'legacy PyTorch',
    text('\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.'),
    /before 1\.6.*torch\.save\(torch\.load\(/,
  ],
  [
    'legacy PyTorch, protocol 4',
    text('\x80\x04\x95\x0d\0\0\0\0\0\0\0\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.'),
    /before 1\.6/,
  ],
  [
    'a plain pickle',
    text('\x80\x04\x95\x0d\0\0\0\0\0\0\0}\x94.'),
    /plain Python pickle.*state_dict\(\)/,
  ],
  ['a plain pickle, protocol 2', text('\x80\x02}q\0(X\x01\0\0\0aK\x01u.'), /plain Python pickle/],
  ['tar', at(257, 'ustar\x0000'), /tar archive.*torch\.save/],
  ['HDF5', text('\x89HDF\r\n\x1a\n\0\0\0\0'), /HDF5 file \(Keras\?\).*safetensors/],
  ['GGUF', text('GGUF\x03\0\0\0'), /GGUF/],
  ['ONNX', text('\x08\x07\x12\x07pytorch\x1a\x061.13.0:'), /ONNX model.*state_dict\(\)/],
  ['ONNX with operator sets first', text('\x08\x08B\x04\n\0\x10\x0d:\x80\x01'), /ONNX model/],
  ['TensorFlow Lite', text('\x1c\0\0\0TFL3\x14\0'), /TensorFlow Lite/],
  ['TensorFlow.js', text('{"format": "layers-model", "modelTopology": {}}'), /TensorFlow\.js/],
  [
    'an index of shards',
    text('{"metadata": {"total_size": 8}, "weight_map": {}}'),
    /split over several files/,
  ],
  ['other JSON', text('\xef\xbb\xbf\n {"a": 1, "b": 2}'), /JSON text, not weights/],
  [
    'git-LFS pointer',
    text('version https://git-lfs.github.com/spec/v1\noid sha256:00'),
    /git lfs pull/,
  ],
  [
    'HTML',
    text('\n  <!DOCTYPE html><html><body>404</body></html>'),
    /HTML or XML page.*fetch the file again/,
  ],
  [
    'XML',
    text('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'),
    /HTML or XML page/,
  ],
  [
    'an error of a hub',
    text('Entry not found'),
    /server's error message, not weights: 'Entry not found'/,
  ],
  ['NumPy', text('\x93NUMPY\x01\0v\0{'), /NumPy/],
  ['gzip', text('\x1f\x8b\x08\0\0\0\0\0\0\x03'), /gunzip/],
  ['PNG', text('\x89PNG\r\n\x1a\n\0\0\0\x0d'), /PNG picture/],
  ['JPEG', text('\xff\xd8\xff\xe0\0\x10JFIF'), /JPEG picture/],
  [
    'prose',
    text('Dear reader, these are no weights.'),
    /starts with 'Dear reader, the', expected \.safetensors/,
  ],
  [
    'noise with escapes',
    text('\x1b[31m\x9bred alert here'),
    /starts with '\\u001b\[31m\\u\{9b\}red/,
  ],
])('%s', (_, bytes, says) => {
  expect(refusal(bytes)).toMatch(says);
});

test.each([0x1f + 0x8b * 256, 0x08 + 0x07 * 256 + 0x12 * 65536, 0x80 + 0x02 * 256 + 0x7d * 65536])(
  'a header whose length, %d, looks like another format is still safetensors',
  (length) => {
    expect(outcome(safetensors('{}'.padEnd(length)))).toBe(0);
  },
);
