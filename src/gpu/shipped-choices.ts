import type { Choices } from './caps.js';

/**
 * Choices of variants for devices that are not tuned, by `vendor architecture` of the adapter in lower case. Written by
 * `node tools/tune.mjs --write` from a run on such an adapter; what is not listed is chosen by each kernel's own order.
 */
export const shippedChoices: Readonly<Record<string, Choices>> = {
  'google swiftshader': {
    conv2dBackwardInput: {
      'C=128,CG=128,DH=1,DW=1,GROUPED=1,H=16,K=128,N=1,P=16,PH=1,PW=1,Q=16,R=3,S=3,SH=1,SW=1,W=16':
        'three',
      'C=3,CG=3,DH=1,DW=1,GROUPED=1,H=128,K=16,N=1,P=128,PH=1,PW=1,Q=128,R=3,S=3,SH=1,SW=1,W=128':
        'three',
    },
  },
};
