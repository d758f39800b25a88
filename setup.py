"""What setup.cfg cannot say: a wheel carries configs, tools and model index in ``sdp_plugin/.mim``, as MIM expects."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CARRIED = {'configs': '**/*.py', 'tools': '*.py', '.': 'model-index.yml'}


class BuildWithMim(build_py):
    """Copy what is carried beside the modules; an editable install finds it in the clone."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        root = Path(__file__).parent
        for folder, pattern in CARRIED.items():
            for source in (root / folder).glob(pattern):
                target = Path(self.build_lib, 'sdp_plugin', '.mim', source.relative_to(root))
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)


setup(cmdclass={'build_py': BuildWithMim})
