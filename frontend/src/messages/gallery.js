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
});
