"""Whatever a checkpoint contains, none of the commands that read one runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sdp_plugin.apis import train
from sdp_plugin.apis.predict import load_classifier
from sdp_plugin.checkpoints.reading import save_checkpoint
from sdp_plugin.conversion.carry_over import carry_over
from sdp_plugin.errors import UserError

UNTRAINED = dict(save_optimizer=False, save_param_scheduler=False)
CARD = dict(classes=['a', 'b'], input_size=[32, 32], mean=[0] * 3, std=[1] * 3, channel_order='rgb')


class Touches:
    """A pickle that leaves a mark when it is read without restriction."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def hostile_models(mark: Path) -> dict[str, str]:
    command = f'touch {mark}'
    process = f"dict(type='subprocess.Popen', args=['touch', '{mark}'])"
    return {
        'the model': f"model = dict(type='os.system', command='{command}')",
        'a part': f"model = dict(type='ImageClassifier', backbone={process})",
        'a part of a part': "model = dict(type='ImageClassifier', backbone=dict("
        f"type='sdp_plugin.SegmentationBackbone', backbone={process}))",
        'a list': f"model = dict(type='ImageClassifier', backbone=dict(type='ResNet', depth=18, plugins=[{process}]))",
    }


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
@pytest.mark.parametrize('part', hostile_models(Path()))
@pytest.mark.parametrize('command', [load_classifier, carry_over])
def test_no_config_in_a_checkpoint_runs(tmp_path, command, part, suffix):
    mark, path = tmp_path / 'ran', tmp_path / f'x{suffix}'
    config = hostile_models(mark)[part]
    save_checkpoint({'state_dict': {'backbone.w': torch.ones(1)}, 'meta': {'cfg': config, 'model_card': CARD}}, path)
    with pytest.raises(UserError):
        command(path)
    assert not mark.exists()


def test_it_would_run(tmp_path):
    mark, path = tmp_path / 'ran', tmp_path / 'x.pth'
    config = hostile_models(mark)['the model']
    save_checkpoint({'state_dict': {'w': torch.ones(1)}, 'meta': {'cfg': config, 'model_card': CARD}}, path)
    with pytest.raises(Exception, match='int'):
        load_classifier(path, trusted=True)
    assert mark.exists(), 'the config would not have run at all: these tests prove nothing'


def test_no_pickle_runs_by_testing_or_starting_from_it(small_config, tmp_path):
    mark, path = tmp_path / 'ran', tmp_path / 'x.pth'
    torch.save({'state_dict': {}, 'meta': Touches(mark)}, path)
    with pytest.raises(UserError, match='could run code'):
        train.test(small_config('finetune/resnet18_1xb32-100e_pcam.py'), path)
    cfg = small_config('finetune/resnet18_1xb32-100e_pcam.py')
    cfg.load_from = str(path)
    with pytest.raises(UserError, match='could run code'):
        train.build_runner(cfg).load_or_resume()
    for url in (f'file://{path}', 'http://localhost:9/x.pth'):
        with pytest.raises(UserError, match='nothing is fetched'):
            train.test(small_config('finetune/resnet18_1xb32-100e_pcam.py'), url)
    assert not mark.exists()


def test_nothing_runs_by_resuming_from_it(small_config, tmp_path):
    """mmengine's Runner executes ``meta['config']`` as a program when it resumes."""
    cfg = small_config('finetune/resnet18_1xb32-100e_pcam.py')
    mark = tmp_path / 'ran'
    runner = train.build_runner(cfg)
    runner.train_loop  # noqa: B018 - what a checkpoint of it counts
    runner.save_checkpoint(cfg.work_dir, 'epoch_1.pth', meta={'config': f'open({str(mark)!r}, "w")'}, **UNTRAINED)
    resumed = train.build_runner(small_config('finetune/resnet18_1xb32-100e_pcam.py'), resume=True)
    resumed.resume(f'{cfg.work_dir}/epoch_1.pth', resume_optimizer=False, resume_param_scheduler=False)
    assert not mark.exists()
