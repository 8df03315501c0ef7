/**
 * Symbols and words of the field, explained where they are met. `signs` stand in texts of either language, `en` and
 * `ko` in those of one; `text` is what they mean, in both.
 * @type {{signs?: string[], en?: string[], ko?: string[], text: [string, string]}[]}
 */
export const TERMS = [
  {
    signs: ['η'],
    en: ['learning rate'],
    ko: ['학습률'],
    text: [
      'η, the learning rate: how far a step goes against the gradient. Too small: slow. Too large: it overshoots.',
      'η, 학습률: 한 스텝이 그래디언트 반대쪽으로 얼마나 멀리 가는지입니다. 작으면 느리고, 크면 최저점을 지나칩니다.',
    ],
  },
  {
    signs: ['2/λₘₐₓ', '2/λ'],
    text: [
      '2/λ: the largest learning rate that this curvature bears. Above it each step lands farther from the bottom.',
      '2/λ: 이 곡률이 견디는 가장 큰 학습률입니다. 넘으면 스텝마다 최저점에서 더 멀어집니다.',
    ],
  },
  {
    signs: ['λₘₐₓ', 'λ_max'],
    en: ['sharpness'],
    ko: ['첨예도'],
    text: [
      'λₘₐₓ, the sharpness: how strongly the loss curves in its steepest direction.',
      'λₘₐₓ, 첨예도: 손실이 가장 가파르게 휘는 방향의 곡률입니다.',
    ],
  },
  {
    signs: ['‖∇W‖', '‖∇L‖', '∇L', '∇W', '∇'],
    en: ['gradient', 'gradients'],
    ko: ['그래디언트'],
    text: [
      '∇, the gradient: for each weight, how much the loss changes when it grows. A step goes the other way.',
      '∇, 그래디언트: 가중치마다 그것을 키울 때 손실이 얼마나 변하는지입니다. 스텝은 그 반대로 갑니다.',
    ],
  },
  {
    signs: ['‖ΔW‖ / ‖W‖', '‖ΔW‖/‖W‖', '‖ΔW‖'],
    text: [
      '‖ΔW‖/‖W‖: how far one step moves a layer’s weights, as a share of their size. About 0.001 is healthy.',
      '‖ΔW‖/‖W‖: 한 스텝이 층의 가중치를 그 크기에 견주어 얼마나 옮기는지입니다. 0.001쯤이 보통입니다.',
    ],
  },
  {
    signs: ['θ'],
    text: ['θ: all weights of the model together.', 'θ: 모델의 모든 가중치를 한데 모은 것입니다.'],
  },
  {
    signs: ['σ'],
    text: [
      'σ: a spread (standard deviation), or as σ(x) the sigmoid, which squeezes x between 0 and 1.',
      'σ: 흩어진 정도(표준편차)이거나, σ(x)로 쓰면 x를 0과 1 사이로 누르는 시그모이드입니다.',
    ],
  },
  {
    signs: ['β₁', 'β₂', 'β'],
    text: [
      'β: how much of a running average is kept at each step. Nearer to 1: a longer memory.',
      'β: 이동 평균이 스텝마다 이전 값을 얼마나 간직하는지입니다. 1에 가까울수록 오래 기억합니다.',
    ],
  },
  {
    en: ['momentum'],
    ko: ['모멘텀'],
    text: [
      'Momentum: a step also follows the steps before it, like a ball that keeps rolling.',
      '모멘텀: 구르는 공처럼 이전 스텝들의 방향도 이어 갑니다.',
    ],
  },
  {
    en: ['Hessian'],
    ko: ['헤세 행렬'],
    text: [
      'Hessian: all second derivatives of the loss, that is its curvature in every direction.',
      '헤세 행렬: 손실의 이계 미분을 모두 모은 것, 곧 모든 방향의 곡률입니다.',
    ],
  },
  {
    en: ['logits', 'logit'],
    ko: ['로짓'],
    text: [
      'Logits: a network’s raw answers, one per class, before softmax makes probabilities of them.',
      '로짓: 소프트맥스가 확률로 바꾸기 전, 클래스마다 하나씩 나오는 신경망의 값입니다.',
    ],
  },
  {
    en: ['softmax'],
    ko: ['소프트맥스'],
    text: [
      'Softmax: turns numbers into probabilities that sum to 1; the largest gets the most.',
      '소프트맥스: 여러 값을 합이 1인 확률로 바꿉니다. 큰 값일수록 큰 몫을 얻습니다.',
    ],
  },
  {
    en: ['cross-entropy'],
    ko: ['교차 엔트로피'],
    text: [
      'Cross-entropy: −log of the probability given to the right answer. 0 when it is certain and right.',
      '교차 엔트로피: 정답에 준 확률의 −log입니다. 확신하며 맞히면 0입니다.',
    ],
  },
  {
    en: ['mini-batch', 'batch size'],
    ko: ['미니배치', '배치 크기'],
    text: [
      'Mini-batch: the few examples that one step looks at. Fewer: cheaper, but noisier.',
      '미니배치: 한 스텝이 보는 몇 개의 예입니다. 적을수록 싸지만 잡음이 큽니다.',
    ],
  },
  {
    en: ['epoch', 'epochs'],
    ko: ['에포크'],
    text: [
      'Epoch: so many steps that every training example has been seen once.',
      '에포크: 훈련 데이터를 한 번씩 모두 보는 만큼의 스텝입니다.',
    ],
  },
  {
    en: ['dropout'],
    ko: ['드롭아웃'],
    text: [
      'Dropout: in each training step some units are switched off at random, so that none relies on another.',
      '드롭아웃: 학습 스텝마다 일부 유닛을 무작위로 끄는 것으로, 서로에게만 기대지 않게 됩니다.',
    ],
  },
  {
    en: ['weight decay'],
    ko: ['가중치 감쇠'],
    text: [
      'Weight decay: each step also shrinks all weights a little.',
      '가중치 감쇠: 스텝마다 모든 가중치를 조금씩 줄입니다.',
    ],
  },
  {
    en: ['overfitting', 'overfits'],
    ko: ['과적합'],
    text: [
      'Overfitting: it knows the training data by heart, and does worse on data it never saw.',
      '과적합: 훈련 데이터를 외워서, 본 적 없는 데이터에는 더 나빠지는 것입니다.',
    ],
  },
  {
    en: ['ReLU', 'ReLUs'],
    ko: ['ReLU'],
    text: [
      'ReLU: lets positive numbers through and makes the others 0.',
      'ReLU: 양수는 그대로, 나머지는 0으로 내보냅니다.',
    ],
  },
  {
    en: ['batch norm', 'batch normalisation'],
    ko: ['배치 정규화'],
    text: [
      'Batch normalisation: brings each unit to mean 0 and variance 1 over the mini-batch.',
      '배치 정규화: 유닛마다 미니배치 안에서 평균 0, 분산 1로 맞춥니다.',
    ],
  },
  {
    en: ['feature map', 'feature maps'],
    ko: ['특징 맵'],
    text: [
      'Feature map: where in the picture a filter finds what it looks for.',
      '특징 맵: 필터가 찾는 무늬가 그림의 어디에 있는지 보여 줍니다.',
    ],
  },
  {
    en: ['kernel', 'kernels'],
    ko: ['커널'],
    text: [
      'Kernel: the few weights that slide over a picture; each place is weighted by them and summed.',
      '커널: 그림 위를 미끄러지는 작은 가중치 묶음입니다. 자리마다 곱해서 더합니다.',
    ],
  },
  {
    en: ['hidden state', 'hidden states'],
    ko: ['은닉 상태'],
    text: [
      'Hidden state: what a recurrent network carries on from one time step to the next.',
      '은닉 상태: 순환 신경망이 한 시점에서 다음 시점으로 넘기는 벡터입니다.',
    ],
  },
  {
    en: ['cell state'],
    ko: ['셀 상태'],
    text: [
      'Cell state: the LSTM’s memory; gates decide what is forgotten, written and read.',
      '셀 상태: LSTM의 기억입니다. 무엇을 잊고, 쓰고, 읽을지 게이트가 정합니다.',
    ],
  },
  {
    en: ['gate', 'gates'],
    ko: ['게이트'],
    text: [
      'Gate: numbers between 0 and 1 that decide how much passes.',
      '게이트: 얼마나 통과시킬지 정하는 0과 1 사이의 값입니다.',
    ],
  },
  {
    en: ['attention'],
    ko: ['어텐션'],
    text: [
      'Attention: weights that sum to 1 and say how much each place is looked at.',
      '어텐션: 각 위치를 얼마나 보는지 나타내는, 합이 1인 가중치입니다.',
    ],
  },
  {
    en: ['query'],
    ko: ['쿼리'],
    text: ['Query: what a position asks for.', '쿼리: 한 위치가 무엇을 찾는지 나타내는 벡터입니다.'],
  },
  {
    en: ['embedding', 'embeddings'],
    ko: ['임베딩'],
    text: [
      'Embedding: a word or thing as a vector; what is alike lies close together.',
      '임베딩: 단어나 사물을 벡터로 나타낸 것입니다. 비슷한 것끼리 가까이 놓입니다.',
    ],
  },
  {
    en: ['beam search'],
    ko: ['빔 서치'],
    text: [
      'Beam search: keeps the few best beginnings of a sentence at every word, not just one.',
      '빔 서치: 단어마다 가장 좋은 문장 앞부분을 하나가 아니라 여럿 남겨 둡니다.',
    ],
  },
  {
    en: ['teacher forcing'],
    ko: ['교사 강요'],
    text: [
      'Teacher forcing: in training the next word is predicted from the right words before it, not from its own.',
      '교사 강요: 학습할 때 자기가 낸 단어가 아니라 정답 단어들 다음을 예측하게 합니다.',
    ],
  },
  {
    signs: ['BLEU-4', 'BLEU'],
    text: [
      'BLEU: how many runs of one to four words a translation shares with the right one. 1 is the same.',
      'BLEU: 번역이 정답과 이어진 단어 1~4개짜리 조각을 얼마나 공유하는지입니다. 같으면 1입니다.',
    ],
  },
  {
    signs: ['RMSE'],
    text: [
      'RMSE: the root of the mean squared error, in the unit of what is predicted.',
      'RMSE: 제곱 오차 평균의 제곱근으로, 예측하는 값과 같은 단위입니다.',
    ],
  },
  {
    signs: ['KL'],
    text: [
      'KL divergence: how far one distribution is from another, in nats. 0: they are the same.',
      'KL 발산: 한 분포가 다른 분포와 얼마나 다른지입니다. 0이면 같습니다.',
    ],
  },
  {
    en: ['perplexity'],
    ko: ['퍼플렉시티'],
    text: [
      'Perplexity: among how many equally likely words it is undecided, on average.',
      '퍼플렉시티: 평균 몇 개의 단어 사이에서 망설이는지입니다.',
    ],
  },
  {
    en: ['mode collapse', 'collapse'],
    ko: ['모드 붕괴'],
    text: [
      'Mode collapse: a generator that makes only a few kinds of samples, over and over.',
      '모드 붕괴: 생성자가 몇 가지 표본만 되풀이해 만드는 것입니다.',
    ],
  },
  {
    en: ['latent space', 'latent'],
    ko: ['잠재 공간', '잠재'],
    text: [
      'Latent space: the few numbers from which a picture is made; nearby points make similar pictures.',
      '잠재 공간: 그림을 만드는 몇 개의 수입니다. 가까운 점은 비슷한 그림이 됩니다.',
    ],
  },
  {
    en: ['PCA'],
    ko: ['PCA'],
    text: [
      'PCA, principal component analysis: the directions in which points differ most.',
      'PCA, 주성분 분석: 점들이 가장 많이 흩어진 방향입니다.',
    ],
  },
];
