"""The paper's headline under the paper's protocol: 99.4 % under `:paper`, in few epochs.

python launch.py --config=configs/recipes/headline.py:cnn-paper_dev      chosen under
python launch.py --config=configs/recipes/headline.py:cnn-paper          scored with

Input and layer counts are the paper's. `:paper` is leaky: copies of every smear are on both sides,
so what is learned is to recognise 71 smears however they are turned. Figures: docs/results.md.
"""
