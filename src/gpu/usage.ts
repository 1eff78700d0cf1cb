/**
 * GPUBufferUsage and GPUMapMode as numbers: the globals do not exist in Node, and reading them at import would be a side effect.
 */
export const usage = {
  mapRead: 0x0001,
  copySrc: 0x0004,
  copyDst: 0x0008,
  uniform: 0x0040,
  storage: 0x0080,
  queryResolve: 0x0200,
} as const;

export const mapModeRead = 1;
export const shaderStageCompute = 4;
