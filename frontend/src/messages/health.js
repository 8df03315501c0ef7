/** What was found in a run, why it is where it is, and what is wrong with recording it. */

export default /** @satisfies {import('./index.js').Texts} */ ({
  'health.exploding': [
    'Exploding gradient at step {step}: ‖∇L‖ is {value} in {layer}; the bound is {bound}. One such step throws the weights far off. Lower η, or clip the gradient.',
    '스텝 {step}에서 그래디언트가 폭발했습니다. {layer}에서 ‖∇L‖ 값이 {value}입니다(한계 {bound}). 이런 스텝 한 번에 가중치가 멀리 튕겨 나갑니다. η를 낮추거나 그래디언트를 클리핑하세요.',
  ],
  'health.vanishing': [
    'Vanishing gradient at step {step}: in {layer} it is {value} per weight, less than 1/10,000 of the largest layer’s. That layer hardly learns.',
    '스텝 {step}에서 그래디언트가 소실되었습니다. {layer}에서 가중치당 {value} 정도로, 가장 큰 층의 1만분의 1도 되지 않습니다. 이 층은 거의 배우지 못합니다.',
  ],
  'health.vanishing.sigmoid': [
    'Vanishing gradient at step {step}: in {layer} it is {value} per weight, less than 1/10,000 of the largest layer’s. Each layer of sigmoids multiplies it by ¼ at most, so {layer} hardly learns. Try ReLU or tanh, or fewer layers.',
    '스텝 {step}에서 그래디언트가 소실되었습니다. {layer}에서 가중치당 {value} 정도로, 가장 큰 층의 1만분의 1도 되지 않습니다. 시그모이드 층을 지날 때마다 많아야 ¼만 남아 {layer} 층은 거의 배우지 못합니다. ReLU나 tanh를 쓰거나 층을 줄여 보세요.',
  ],
  'health.vanishing.start': [
    'Vanishing gradient from the start: in {layer} it is {value} per weight at step {step}. The initial weights are too small for this many layers, so signal and gradient shrink from layer to layer. Start over with larger ones (Xavier, He), or with fewer layers.',
    '처음부터 그래디언트가 소실되어 있습니다. 스텝 {step}에서 {layer}의 값이 가중치당 {value}입니다. 층 수에 비해 초기 가중치가 너무 작아 신호와 그래디언트가 층마다 줄어듭니다. Xavier나 He처럼 더 큰 초기 가중치로, 또는 층을 줄여 다시 시작하세요.',
  ],
  'health.vanishing.rate': [
    'Vanishing gradient at step {step}: in {layer} it is {value} per weight, less than 1/10,000 of the largest layer’s. At first it was not: too large a rate has thrown the weights to where the units saturate, and lowering it now hardly brings them back. Go back, or start over with a smaller η.',
    '스텝 {step}에서 그래디언트가 소실되었습니다. {layer}에서 가중치당 {value} 정도로, 가장 큰 층의 1만분의 1도 되지 않습니다. 처음에는 그렇지 않았습니다. 학습률이 너무 커서 가중치가 유닛이 포화되는 곳까지 튕겨 나갔으며, 지금 낮추어도 거의 돌아오지 못합니다. 그 전으로 돌아가거나 더 작은 η로 다시 시작하세요.',
  ],
  'health.vanishing.batch': [
    'Vanishing gradient at step {step}: in {layer} it is {value} per weight. In a batch this small the normalised x̂ is little more than a sign, so nothing gets through to the layers below. Raise the batch size.',
    '스텝 {step}에서 그래디언트가 소실되었습니다. {layer}의 값이 가중치당 {value}입니다. 배치가 이렇게 작으면 정규화된 x̂에 부호밖에 남지 않아 아래층까지 전해지지 않습니다. 배치 크기를 키우세요.',
  ],
  'health.dead-units': [
    'Dead units at step {step}: {percent}% of the units in {layer} output nothing for any input, and get no gradient to change that.',
    '스텝 {step}에서 {layer}의 유닛 {percent}%가 죽었습니다. 어떤 입력에도 출력이 없고, 이를 바꿀 그래디언트도 없습니다.',
  ],
  'health.dead-units.relu': [
    'Dead units at step {step}: {percent}% of the units in {layer} output 0 for any input, and get no gradient to change that. A lower η does not revive them. Go back, or start over with a smaller η or a leaky activation.',
    '스텝 {step}에서 {layer}의 유닛 {percent}%가 죽었습니다. 어떤 입력에도 0을 내고 그래디언트도 없어 되살아나지 못합니다. η를 낮추어도 살아나지 않으니 그 전으로 돌아가거나, 더 작은 η 또는 Leaky ReLU 같은 활성화 함수로 다시 시작하세요.',
  ],
  'health.dead-units.saturated': [
    'Saturated units at step {step}: {percent}% of the units in {layer} are at the flat end of their activation for any input, and get no gradient to leave it. A lower η does not help. Go back, or start over with a smaller η.',
    '스텝 {step}에서 {layer}의 유닛 {percent}%가 포화되었습니다. 어떤 입력에도 활성화 함수의 평평한 끝에 머물러 그래디언트가 없습니다. η를 낮추어도 벗어나지 못하니 그 전으로 돌아가거나 더 작은 η로 다시 시작하세요.',
  ],
  'health.dead-units.zeros': [
    'Units without weights at step {step}: for {percent}% of the units in {layer}, all incoming or all outgoing weights are exactly 0. The rate is not to blame: an L1 penalty does this, or initial weights of 0. Too many? Lower λ.',
    '스텝 {step}에서 {layer}의 유닛 {percent}%에 가중치가 남아 있지 않습니다. 들어오는 가중치나 나가는 가중치가 모두 정확히 0입니다. 학습률 때문이 아니라 L1 규제나 0으로 둔 초기 가중치 때문입니다. 너무 많으면 λ를 줄이세요.',
  ],
  'health.dead-units.batch': [
    'Silent units at step {step}: {percent}% of the units in {layer} get no gradient. With one example per batch, x is its own mean, so x̂ = 0 and a unit outputs the same for any input. Raise the batch size.',
    '스텝 {step}에서 {layer}의 유닛 {percent}%에 그래디언트가 없습니다. 배치에 예가 하나뿐이면 x가 곧 평균이라 x̂ = 0이고, 유닛은 어떤 입력에도 같은 값을 냅니다. 배치 크기를 키우세요.',
  ],
  'health.above-edge': [
    'η = {rate} is above the edge of stability at step {step}: the curvature is {value}, and this η is stable only up to {bound}. Each step overshoots the valley, and the loss climbs. Use η < {below}.',
    '스텝 {step}에서 학습률 {rate}이(가) 안정 한계를 넘었습니다. 곡률이 {value}인데 이 학습률에서는 {bound}까지만 안정적입니다. 스텝마다 골짜기를 지나쳐 손실이 커집니다. η < {below}이어야 합니다.',
  ],
  'health.above-edge.penalty': [
    'The penalty is too strong for this rate (step {step}): with λ = {penalty} and η = {rate} each step multiplies the weights by 1 − ηλ, past 0 and farther out. That is stable only for η < 2/(λ + λₘₐₓ) = {below}. Lower η or λ.',
    '스텝 {step}: 이 학습률에 비해 규제가 너무 강합니다. λ = {penalty}, η = {rate}이면 스텝마다 가중치에 1 − ηλ가 곱해져 0을 지나 더 멀리 나갑니다. η < 2/(λ + λₘₐₓ) = {below}일 때만 안정적입니다. η나 λ를 낮추세요.',
  ],
  'health.uphill': [
    'The steps lead uphill (step {step}): they follow the gradient instead of going against it, so the loss climbs at any η. Correct the derivative.',
    '스텝 {step}: 스텝이 오르막으로 향합니다. 그래디언트의 반대가 아니라 그래디언트를 따라가므로 η가 얼마이든 손실이 커집니다. 도함수를 바로잡으세요.',
  ],
  'health.stuck': [
    'No progress by step {step}: after {steps} steps the loss is {value}, no lower than at the start. Training crawls if η is too small, and stalls if η is too large or the gradient vanishes. Start over with another η.',
    '스텝 {step}까지 나아진 것이 없습니다. {steps}스텝 뒤의 손실이 {value}(으)로 처음보다 낮지 않습니다. η가 너무 작으면 더디게 나아가고, 너무 크거나 그래디언트가 소실되면 제자리에 머뭅니다. 다른 η로 다시 시작해 보세요.',
  ],
  'health.overfitting': [
    'Overfitting: {scalar} on unseen data was lowest at step {since} and is {value} now, while the training loss is as low as ever. The network is memorising the noise. Go back to that step, or regularise.',
    '과적합입니다. 처음 보는 데이터의 손실({scalar})은 스텝 {since}에서 가장 낮았고 지금은 {value}인데, 훈련 손실은 여전히 낮습니다. 잡음까지 외우고 있으니 그 시점으로 돌아가거나 규제를 써 보세요.',
  ],
  'health.d-overpowers': [
    'D overpowers G at step {step}: it gives real data {real} and generated ones {fake} probability of being real. A judge this sure leaves G no gradient to follow. Lower D’s rate, or raise G’s.',
    '스텝 {step}에서 D가 G를 압도합니다. 진짜일 확률을 진짜 데이터에는 {real}, 생성된 샘플에는 {fake}(으)로 봅니다. 판정이 이렇게 확실하면 G가 따라갈 그래디언트가 없습니다. D의 학습률을 낮추거나 G의 학습률을 높이세요.',
  ],
  'health.mode-collapse': [
    'Mode collapse at step {step}: the samples lie {value} times as far apart as real ones, below {bound}. G has found one kind of sample that passes. A faster D would catch it.',
    '스텝 {step}에서 모드 붕괴가 보입니다. 샘플 사이의 거리가 진짜의 {value}배입니다(한계 {bound}). G가 D를 속이는 샘플 한 가지만 만들고 있습니다. D의 학습을 빠르게 하면 가려낼 수 있습니다.',
  ],
  'health.mode-collapse.kinds': [
    'Mode collapse at step {step}: the samples are only as varied as an even mix of {value} kinds of digits, below {bound} of 10. G has found a few drawings that pass. A faster D would catch them.',
    '스텝 {step}에서 모드 붕괴가 보입니다. 샘플의 다양함이 고르게 나온 숫자 {value}종류와 같습니다(한계 {bound}, 모두 10종류). G가 D를 속이는 그림 몇 가지만 그리고 있습니다. D의 학습을 빠르게 하면 가려낼 수 있습니다.',
  ],
  'health.not-exact': [
    'Not exact on this GPU: {operations} rounds otherwise each time. A branch, or the same run again, agrees with this one up to rounding only. On the CPU it is the same to the bit.',
    '이 GPU에서는 정확히 되풀이되지 않습니다. {operations} 연산의 반올림이 매번 다르기 때문입니다. 분기하거나 같은 실행을 다시 하면 반올림 오차만큼 달라질 수 있습니다. CPU에서는 비트까지 같습니다.',
  ],
  'health.why': ['Why?', '왜?'],
  'health.remedy': ['Set {knobs}', '{knobs}(으)로 바꾸기'],
  'health.back': ['Back to step {step}', '스텝 {step}(으)로 돌아가기'],
  'health.worse': [
    'Training got much worse after step {at} ({changes}): {scalar} was {was} and is {value}. Go on from that step with the earlier settings, in a new run; this one stays for comparison.',
    '스텝 {at} 뒤에 크게 나빠졌습니다({changes}): {scalar} 값이 {was}에서 {value}(으)로 바뀌었습니다. 바꾸기 전의 설정값으로 그 스텝부터 이어 가 보세요. 새 실행이 시작되고 이 실행은 비교용으로 남습니다.',
  ],
  'health.out': [
    'Out since step {at}: {racer}. It has gone too far to follow, and stays out whatever η is now. Go on from an earlier step, or start over.',
    '스텝 {at}에서 탈락했습니다: {racer}. 따라갈 수 없을 만큼 멀리 벗어났고, 지금 η를 낮추어도 돌아오지 않습니다. 그 전의 스텝부터 이어 가거나 다시 시작하세요.',
  ],
  'health.recovered': ['Resolved at step {step}: {of}.', '스텝 {step}에서 해소되었습니다: {of}.'],
  'health.goOn': ['Go on from step {step}, when all was well', '이상 없던 스텝 {step}부터 이어 가기'],
  'health.goOn.with': ['Go on from step {step} with {knobs}', '스텝 {step}부터 이어 가기: {knobs}'],

  'reason.diverged': [
    'Diverged at step {step}: {scalars} is no longer a finite number. Lower the learning rate ({rates}) and start over.',
    '스텝 {step}에서 발산했습니다. {scalars} 값이 유한하지 않게 되었습니다(무한대 또는 NaN). 학습률({rates})을 낮추고 다시 시작해 보세요.',
  ],
  'reason.diverged.uphill': [
    'Diverged at step {step}: {scalars} is no longer a finite number. The steps lead uphill, so no learning rate helps. Correct the derivative.',
    '스텝 {step}에서 발산했습니다. {scalars} 값이 유한하지 않게 되었습니다(무한대 또는 NaN). 스텝이 오르막으로 향하므로 학습률로는 고칠 수 없습니다. 도함수를 바로잡으세요.',
  ],
  'reason.diverged.penalty': [
    'Diverged at step {step}: the penalty blew the weights up. With λ = {penalty} and η = {rate} each step multiplies them by 1 − ηλ. That is stable only for η < 2/(λ + λₘₐₓ), here less than {below}. Lower λ or η.',
    '스텝 {step}에서 발산했습니다. 규제가 가중치를 키웠습니다. λ = {penalty}, η = {rate}이면 스텝마다 가중치에 1 − ηλ가 곱해집니다. η < 2/(λ + λₘₐₓ), 여기서는 {below}보다 작아야 안정적입니다. λ나 η를 낮추세요.',
  ],
  'reason.script-gone': [
    'the script is not connected any more; it has ended, or will come back',
    '스크립트와 연결이 끊겼습니다. 스크립트가 끝났거나 다시 연결될 수 있습니다',
  ],
  'health.non-finite': [
    'A value that the script told at step {step} is not a finite number. The script goes on training: lower the learning rate, or stop it.',
    '스텝 {step}에서 스크립트가 보낸 값이 유한한 수가 아닙니다. 스크립트는 계속 학습합니다. 학습률을 낮추거나 학습을 멈추세요.',
  ],
  'reason.failed': ['The run failed: {reason}', '실행이 실패했습니다: {reason}'],
  'reason.finished': ['Finished at step {step}. {reason}', '스텝 {step}에서 끝났습니다. {reason}'],
  'reason.finished.epoch': [
    'Finished at step {step}, epoch {epoch}. {reason}',
    '스텝 {step}, 에포크 {epoch}에서 끝났습니다. {reason}',
  ],
  'reason.again.with': ['Start again with {knobs}', '다시 시작: {knobs}'],
  'reason.undo': ['Go back to before the last change', '마지막 변경 전으로 돌아가기'],
  'reason.previous': [
    'This is a new run; the previous one is kept.',
    '새 실행입니다. 이전 실행은 기록에 남아 있습니다.',
  ],
  'reason.resume': ['Resume', '이어서 학습'],
  'reason.interrupted': [
    'The server stopped during training. Everything up to step {step} is recorded.',
    '학습 중에 서버가 멈췄습니다. 스텝 {step}까지 모두 기록되어 있습니다.',
  ],
  'reason.interrupted.cluster': [
    'The cluster lost this run: {reason}. Everything up to step {step} is recorded.',
    '클러스터에서 실행이 중단되었습니다: {reason}. 스텝 {step}까지 모두 기록되어 있습니다.',
  ],
  'reason.damaged': [
    'A checkpoint was damaged, so this run went on from the one before it, at step {used}.',
    '체크포인트 하나가 손상되어 그 앞의 스텝 {used}에서 이어졌습니다.',
  ],
  'reason.queued': [
    'This run is waiting for a free core: runs are already training on all of them. Pause one, and this one starts.',
    '빈 코어를 기다리고 있습니다. 코어마다 이미 다른 실행이 학습 중입니다. 하나를 멈추면 이 실행이 시작됩니다.',
  ],
  'reason.queued.place': [
    'This run waits for a free core: number {place} in the queue, in about {seconds} s.',
    '빈 코어를 기다리고 있습니다. 대기 순서 {place}번째, 약 {seconds}초 뒤에 차례가 옵니다.',
  ],
  'reason.queued.turn': [
    'Others have their turn now; then this run goes on exactly where it was.',
    '지금은 다른 사람의 차례입니다. 차례가 돌아오면 멈춘 곳에서 그대로 이어집니다.',
  ],
  'reason.cluster.cpus-taken': [
    'Every core of the cluster is taken. This run starts as soon as one is free.',
    '클러스터의 모든 코어가 사용 중입니다. 코어가 비는 대로 이 실행이 시작됩니다.',
  ],
  'reason.cluster.gpus-taken': [
    'Every GPU of the cluster is taken. This run starts as soon as one is free.',
    '클러스터의 모든 GPU가 사용 중입니다. GPU가 비는 대로 이 실행이 시작됩니다.',
  ],
  'reason.cluster.no-cpu': [
    'No node of the cluster has the cores that this run needs. It starts when one joins that has.',
    '클러스터에 이 실행에 필요한 만큼 코어가 있는 노드가 없습니다. 그런 노드가 들어오면 시작됩니다.',
  ],
  'reason.cluster.no-gpu': [
    'No node of the cluster has a GPU. This run starts when one joins that has.',
    '클러스터에 GPU가 있는 노드가 없습니다. 그런 노드가 들어오면 시작됩니다.',
  ],
  'reason.starting': [
    'The run is being started; that may take some seconds.',
    '실행을 준비하고 있습니다. 몇 초 걸릴 수 있습니다.',
  ],
  'reason.onCpu': ['Start on the CPU', 'CPU에서 시작'],
  'reason.off-cluster': [
    'The cluster could not be reached: from step {step} on this run trains on the server itself.',
    '클러스터에 연결할 수 없습니다. 이 실행은 스텝 {step}부터 서버에서 직접 학습합니다.',
  ],
  'reason.crowd': [
    '{n} other runs are training on this machine.',
    '이 컴퓨터에서 다른 실행 {n}개도 학습 중입니다.',
  ],
  'reason.crowd.one': [
    'Another run is training on this machine.',
    '이 컴퓨터에서 다른 실행 1개도 학습 중입니다.',
  ],
  'reason.unwatched': ['Paused because nobody was watching.', '보고 있는 사람이 없어 일시정지했습니다.'],
  'reason.made-room': [
    'Paused to make room for another run.',
    '다른 실행에 자리를 내주려고 일시정지했습니다.',
  ],

  'reason.anew': ['A new run has begun.', '새 실행을 시작했습니다.'],
  'anew.undo': ['Undo: on with the run before', '되돌리기: 이전 실행 계속'],
  'end.try': ['Try: {title}', '해 보기: {title}'],
  'end.go': ['Next: {title}', '다음 실험: {title}'],

  'previous.open': ['Back to the previous run', '이전 실행으로 돌아가기'],

  'crowd.who': ['Show which', '어떤 실행인지 보기'],

  'recording.disk-full': [
    'The disk is full: nothing is being saved. Training goes on.',
    '디스크가 가득 차 저장하지 못하고 있습니다. 학습은 계속됩니다.',
  ],
  'recording.disk-low': [
    'The disk is nearly full. Delete runs that you no longer need before recording stops.',
    '디스크가 거의 찼습니다. 기록이 멈추기 전에 필요 없는 실행을 삭제하세요.',
  ],
  'recording.home-gone': [
    'The recording file was deleted, moved or replaced while in use: nothing is being saved. Training goes on.',
    '사용 중인 기록 파일이 삭제되거나 옮겨지거나 바뀌어 저장하지 못하고 있습니다. 학습은 계속됩니다.',
  ],
  'recording.locked': [
    'Another program has the recording file locked: nothing is being saved for now. Training goes on.',
    '다른 프로그램이 기록 파일을 잠그고 있어 지금은 저장하지 못합니다. 학습은 계속됩니다.',
  ],
  'recording.failed': [
    'Recording failed: nothing is being saved. Training goes on.',
    '기록에 실패해 저장하지 못하고 있습니다. 학습은 계속됩니다.',
  ],
});
