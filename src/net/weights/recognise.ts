import { WeightsError } from '../../errors.js';
import { quote } from './text.js';

const ascii = (bytes: Uint8Array, start: number, end: number) =>
  String.fromCharCode(...bytes.subarray(start, end));

const SAVE = "torch.save(model.state_dict(), 'weights.pth')";
const CONVERT = "save its weights under the network's PyTorch names as .safetensors";

/** Formats known by their first bytes, and what to do about them. */
const MAGIC: readonly (readonly [bytes: string, at: number, what: string])[] = [
  ['\x89HDF\r\n\x1a\n', 0, `an HDF5 file (Keras?), which is not read: ${CONVERT}`],
  ['GGUF', 0, `a GGUF file (a language model?), which is not read: ${CONVERT}`],
  ['version https://git-lfs', 0, 'a git-LFS pointer, not the file itself: run git lfs pull'],
  ['\x93NUMPY', 0, 'a single NumPy array: write all tensors into one .safetensors'],
  ['TFL3', 4, `a TensorFlow Lite model, which is not read: ${CONVERT}`],
  ['ustar', 257, `a tar archive: unpack it, or save again with ${SAVE} in PyTorch 1.6 or later`],
  ['\x1f\x8b', 0, 'compressed by gzip: unpack it first (gunzip)'],
  ['BZh', 0, 'compressed by bzip2: unpack it first (bunzip2)'],
  ['\xfd7zXZ', 0, 'compressed by xz: unpack it first (unxz)'],
  ['\x28\xb5\x2f\xfd', 0, 'compressed by zstd: unpack it first (unzstd)'],
  ['7z\xbc\xaf', 0, 'a 7-Zip archive: unpack it first'],
  ['Rar!', 0, 'a RAR archive: unpack it first'],
  ['\x89PNG', 0, 'a PNG picture'],
  ['\xff\xd8\xff', 0, 'a JPEG picture'],
  ['GIF8', 0, 'a GIF picture'],
  ['%PDF', 0, 'a PDF document'],
];

// torch.save before 1.6 pickled this number first: 0x1950a86a20f9469cfc6c as a 10-byte integer.
const LEGACY_MAGIC = '\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19';

/**
 * Which loader the content asks for, whatever the file is called. Throws `WeightsError` for what is not
 * read: a known format is named, with what to do; of anything else the first bytes are shown.
 */
export function recognise(bytes: Uint8Array, where: string): 'safetensors' | 'zip' {
  if (bytes.length === 0) throw new WeightsError(`${where}: the file is empty`);
  const head = ascii(bytes, 0, 1024);
  // A header length is small, so its upper half is zero. This comes first, since such a length may
  // look like any of the magic numbers below.
  const shortHeader = head.startsWith('\0\0\0\0', 4);
  if (shortHeader && head[8] === '{') return 'safetensors';
  if (head.startsWith('PK\x03\x04') || head.startsWith('PK\x05\x06')) return 'zip';
  for (const [magic, at, what] of MAGIC) {
    if (head.startsWith(magic, at)) throw new WeightsError(`${where}: ${what}`);
  }
  const other = pickled(head) ?? text(head) ?? onnx(head);
  if (other) throw new WeightsError(`${where}: ${other}`);
  // Damaged perhaps, yet nothing else: its loader can say what is wrong.
  if (bytes.length < 8 || shortHeader || head[8] === '{') return 'safetensors';
  throw new WeightsError(
    `${where}: not a file of weights: it starts with ${quote(head.slice(0, 16))}, expected .safetensors or what ${SAVE} writes`,
  );
}

function pickled(head: string): string | undefined {
  if (head.slice(0, 64).includes(LEGACY_MAGIC)) {
    return "PyTorch's format from before 1.6, which is not read: convert it with torch.save(torch.load('old.pth', map_location='cpu', weights_only=True), 'weights.pth')";
  }
  const opens = '}]()\x8a\x8c\x95Xc'.includes(head[2] ?? ' ');
  if (head[0] !== '\x80' || head.charCodeAt(1) > 5 || !opens) return undefined;
  return `a plain Python pickle, which is not read: save the weights with ${SAVE}`;
}

function text(head: string): string | undefined {
  const start = head.replace(/^\xef\xbb\xbf/, '').trimStart();
  if (/^<(?:!doctype|html|\?xml|head|body)/i.test(start)) {
    return 'an HTML or XML page, not weights (an error page saved under this name?): fetch the file again from its direct link';
  }
  if (/^(?:Entry not found|Repository not found|Invalid username|Not Found|404)/.test(start)) {
    return `a server's error message, not weights: ${quote(start.slice(0, 60))}`;
  }
  if (!/^\{\s*["}]/.test(start)) return undefined;
  if (/"(?:modelTopology|weightsManifest|layers-model|graph-model)"/.test(start)) {
    return `a TensorFlow.js model, which is not read: ${CONVERT}`;
  }
  if (/"(?:weight_map|total_size)"/.test(start)) {
    return 'the index of weights split over several files: merge them into one .safetensors';
  }
  return 'JSON text, not weights';
}

/**
 * An ONNX file is a protobuf that opens with its version (field 1, a small number) and then its producer,
 * domain, description, graph or operator sets (fields 2 to 8; a field's tag is 8 times its number, plus 2
 * for bytes).
 */
function onnx(head: string): string | undefined {
  const version = head.charCodeAt(1);
  const tag = head.charCodeAt(2);
  const known = [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42].includes(tag);
  if (head[0] !== '\x08' || version < 1 || version > 32 || !known) return undefined;
  if (head.startsWith('\0\0\0\0', 4)) return undefined;
  return `an ONNX model, which is not read: save the network it was exported from with ${SAVE}`;
}
