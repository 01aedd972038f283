"""Runs SCALE-Sim 3 (pip install scalesim 'numpy<2.3') on a list of matrix products in a folder and prints its CPU seconds."""

import contextlib
import io
import sys
import time

from scalesim.scale_sim import scalesim

folder = sys.argv[1]
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    simulation = scalesim(
        save_disk_space=True,
        verbose=False,
        config=f"{folder}/array.cfg",
        topology=f"{folder}/layers.csv",
        layout=f"{folder}/layout.csv",
        input_type_gemm=True,
    )
    start = time.process_time()
    simulation.run_scale(top_path=folder)
    seconds = time.process_time() - start
print(seconds)
