/** What runs train on, and why. */

export default /** @satisfies {import('./index.js').Texts} */ ({
  'device.title': ['Device', '장치'],
  'device.help': [
    'What a new run trains on. Automatic takes the faster one, measured once for each experiment and size of its model. Changing it starts a new run.',
    '새 실행을 학습할 장치입니다. 자동으로 두면 실험과 모델 크기마다 한 번 재어 더 빠른 쪽을 씁니다. 바꾸면 새 실행이 시작됩니다.',
  ],
  'device.auto': ['Automatic', '자동'],
  'device.cpu': ['CPU', 'CPU'],
  'device.cuda': ['GPU', 'GPU'],
  'device.cuda.one': ['GPU {n}', 'GPU {n}'],
  'device.free': ['GPU, the least busy', '가장 한가한 GPU'],
  'device.mps': ['Apple GPU', 'Apple GPU'],
  'device.faster': [
    'On {device}: with this model it is {times} times as fast as the {other} here.',
    '{device}에서 학습합니다. 이 모델은 {other}보다 {times}배 빠릅니다.',
  ],
  'device.hardly': [
    'On {device}: with this model the {other} here is only {times} times as fast.',
    '{device}에서 학습합니다. 이 모델은 {other}도 {times}배밖에 빠르지 않습니다.',
  ],
  'device.failed': [
    'On {device}: the {other} could not train this model.',
    '{device}에서 학습합니다. {other}에서는 이 모델을 학습하지 못했습니다.',
  ],
  'device.failed.float64': [
    'On {device}: this experiment computes with 64 bits, and the {other} has no such numbers.',
    '{device}에서 학습합니다. 이 실험은 64비트 실수로 계산하는데 {other}에는 없습니다.',
  ],
  'device.failed.operation': [
    'On {device}: the {other} lacks an operation that this experiment needs.',
    '{device}에서 학습합니다. 이 실험에 필요한 연산이 {other}에 없습니다.',
  ],
  'device.failed.memory': [
    'On {device}: the memory of the {other} is too small for this model.',
    '{device}에서 학습합니다. {other} 메모리가 이 모델에 모자랍니다.',
  ],
});
