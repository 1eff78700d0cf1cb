import protobuf from 'protobufjs/light.js';

/** Those parts of ONNX's file format that a network of float32 weights needs: messages by name, fields with their numbers. */
const messages: Readonly<Record<string, Readonly<Record<string, readonly [number, string]>>>> = {
  ModelProto: {
    irVersion: [1, 'int64'],
    producerName: [2, 'string'],
    graph: [7, 'GraphProto'],
    opsetImport: [8, 'repeated OperatorSetIdProto'],
  },
  OperatorSetIdProto: { domain: [1, 'string'], version: [2, 'int64'] },
  GraphProto: {
    node: [1, 'repeated NodeProto'],
    name: [2, 'string'],
    initializer: [5, 'repeated TensorProto'],
    input: [11, 'repeated ValueInfoProto'],
    output: [12, 'repeated ValueInfoProto'],
  },
  NodeProto: {
    input: [1, 'repeated string'],
    output: [2, 'repeated string'],
    name: [3, 'string'],
    opType: [4, 'string'],
    attribute: [5, 'repeated AttributeProto'],
    domain: [7, 'string'],
  },
  AttributeProto: {
    name: [1, 'string'],
    f: [2, 'float'],
    i: [3, 'int64'],
    s: [4, 'bytes'],
    ints: [8, 'repeated int64'],
    type: [20, 'int32'],
  },
  TensorProto: {
    dims: [1, 'repeated int64'],
    dataType: [2, 'int32'],
    name: [8, 'string'],
    rawData: [9, 'bytes'],
    externalData: [13, 'repeated StringStringEntryProto'],
    dataLocation: [14, 'int32'],
  },
  StringStringEntryProto: { key: [1, 'string'], value: [2, 'string'] },
  ValueInfoProto: { name: [1, 'string'], type: [2, 'TypeProto'] },
  TypeProto: { tensorType: [1, 'TensorTypeProto'] },
  TensorTypeProto: { elemType: [1, 'int32'], shape: [2, 'TensorShapeProto'] },
  TensorShapeProto: { dim: [1, 'repeated DimensionProto'] },
  DimensionProto: { dimValue: [1, 'int64'], dimParam: [2, 'string'] },
};

/** The message that is a whole file. */
export const modelProto = protobuf.Root.fromJSON({
  nested: Object.fromEntries(
    Object.entries(messages).map(([name, fields]) => [
      name,
      {
        fields: Object.fromEntries(
          Object.entries(fields).map(([field, [id, type]]) => {
            const [, repeated, plain] = /^(repeated )?(.*)$/.exec(type)!;
            return [field, { id, type: plain, ...(repeated && { rule: 'repeated' as const }) }];
          }),
        ),
      },
    ]),
  ),
}).lookupType('ModelProto');

const float32 = 1;
const int64 = 7;
const attributeTypes = { f: 1, i: 2, s: 3, ints: 7 } as const;

/** A number that is a float in the file even if it is whole. */
export const float = (value: number) => ({ float: value });

export type AttributeValue = number | string | readonly number[] | ReturnType<typeof float>;

/** Where an initializer's numbers are. */
export const weightsFile = 'weights.bin';

/** Opset of ONNX itself; the other domain has the runtime's own operators. */
const opsets = [
  { domain: '', version: 17 },
  { domain: 'com.microsoft', version: 1 },
];

/** A model's file, and the file of its weights beside it. */
export interface OnnxFiles {
  readonly model: Uint8Array;
  readonly weights: Uint8Array;
}

/** Builds a model node by node. */
export class OnnxModel {
  readonly #nodes: object[] = [];
  readonly #initializers: object[] = [];
  readonly #inputs: object[] = [];
  readonly #outputs: object[] = [];
  readonly #weights: Float32Array[] = [];
  #bytes = 0;
  #names = 0;

  /** Declares a float32 input. A letter stands for a size that is known when it runs. */
  input(name: string, shape: readonly (number | string)[]): string {
    this.#inputs.push(info(name, shape));
    return name;
  }

  /** Gives a value a name that a session returns it by. */
  output(value: string, name: string, shape: readonly (number | string)[]): void {
    this.node('Identity', [value], {}, { names: [name] });
    this.#outputs.push(info(name, shape));
  }

  /** Adds a node. @returns the name of its first result. */
  node(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    { names = [this.fresh(opType)], domain = '' }: { names?: string[]; domain?: string } = {},
  ): string {
    this.#nodes.push({
      ...{ opType, name: names[0], input: inputs, output: names, domain },
      attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
    });
    return names[0];
  }

  /** A name that no other value has. */
  fresh(about: string): string {
    return `${about}_${++this.#names}`;
  }

  /** Float32 numbers, kept beside the model. */
  weight(data: Float32Array, dims: readonly number[], name = this.fresh('weight')): string {
    const entries = { location: weightsFile, offset: this.#bytes, length: data.byteLength };
    this.#initializers.push({
      ...{ name, dims, dataType: float32, dataLocation: 1 },
      externalData: Object.entries(entries).map(([key, value]) => ({ key, value: String(value) })),
    });
    this.#weights.push(data);
    this.#bytes += data.byteLength;
    return name;
  }

  /** A few numbers within the model, such as shapes. */
  ints(values: readonly number[]): string {
    const rawData = new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer);
    return this.#constant({ dims: [values.length], dataType: int64, rawData });
  }

  /** A float32 number within the model. */
  scalar(value: number): string {
    const rawData = new Uint8Array(Float32Array.of(value).buffer);
    return this.#constant({ dims: [], dataType: float32, rawData });
  }

  /** A few float32 numbers within the model. */
  floats(values: readonly number[]): string {
    const rawData = new Uint8Array(Float32Array.from(values).buffer);
    return this.#constant({ dims: [values.length], dataType: float32, rawData });
  }

  #constant(tensor: object): string {
    const name = this.fresh('constant');
    this.#initializers.push({ ...tensor, name });
    return name;
  }

  /** The files' bytes. @throws Error if the model is not what the format wants. */
  files(): OnnxFiles {
    const model = {
      ...{ irVersion: 8, producerName: 'webgpu-cam bench', opsetImport: opsets },
      graph: {
        ...{ name: 'graph', node: this.#nodes, initializer: this.#initializers },
        ...{ input: this.#inputs, output: this.#outputs },
      },
    };
    const weights = new Uint8Array(this.#bytes);
    let at = 0;
    for (const { buffer, byteOffset, byteLength } of this.#weights) {
      weights.set(new Uint8Array(buffer, byteOffset, byteLength), at);
      at += byteLength;
    }
    return { model: modelProto.encode(modelProto.fromObject(model)).finish(), weights };
  }
}

const info = (name: string, shape: readonly (number | string)[]) => ({
  name,
  type: {
    tensorType: {
      elemType: float32,
      shape: {
        dim: shape.map((d) => (typeof d === 'number' ? { dimValue: d } : { dimParam: d })),
      },
    },
  },
});

function attribute(name: string, value: AttributeValue): object {
  if (typeof value === 'string') {
    return { name, type: attributeTypes.s, s: new TextEncoder().encode(value) };
  }
  if (typeof value === 'number') return { name, type: attributeTypes.i, i: value };
  if ('float' in value) return { name, type: attributeTypes.f, f: value.float };
  return { name, type: attributeTypes.ints, ints: [...value] };
}
