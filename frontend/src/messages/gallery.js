/** The first view: its chapters of experiments. */

export default /** @satisfies {import('./index.js').Texts} */ ({
  'gallery.title': [
    'Change a real model while it trains, and see what that does.',
    '실제 모델이 학습하는 동안 직접 바꿔 보고, 무엇이 달라지는지 눈으로 확인하세요.',
  ],
  'gallery.intro': [
    'Every picture here is computed, live, from a PyTorch model on this machine. Pick one: it is already training when it opens.',
    '여기 보이는 모든 그림은 이 컴퓨터에서 학습 중인 PyTorch 모델로 실시간 계산한 것입니다. 하나를 고르면 바로 학습이 시작됩니다.',
  ],

  'chapter.optimisation': ['Optimisation', '최적화'],
  'chapter.optimisation.about': [
    'How a learning rate and an optimizer find their way down.',
    '학습률과 옵티마이저가 손실의 골짜기를 내려가는 방법',
  ],
  'chapter.training': ['Training', '신경망 학습'],
  'chapter.training.about': [
    'What a network learns, and what keeps it from learning.',
    '신경망이 무엇을 배우는지, 무엇이 학습을 방해하는지',
  ],
  'chapter.convolution': ['Convolution', '합성곱 신경망'],
  'chapter.convolution.about': ['From pixels to features.', '픽셀에서 특징까지'],
  'chapter.sequence': ['Sequences', '순환 신경망'],
  'chapter.sequence.about': ['Hidden states that remember.', '기억하는 은닉 상태'],
  'chapter.attention': ['Attention', '어텐션'],
  'chapter.attention.about': ['Who looks at whom.', '무엇이 무엇을 바라보는가'],
  'chapter.generative': ['Generative models', '생성 모델'],
  'chapter.generative.about': [
    'Networks that make pictures, and those that judge them.',
    '그림을 만드는 신경망과 그것을 판별하는 신경망',
  ],
});
