# One fine-tuning by the in-memory loop and by MMEngine's own, over paired seeds: loops_accuracy.py.
name = 'loops'
initialisations = {'Random': dict()}
# Short, and with a rate that falls fast, so that the last weights hardly depend on the last batches.
finetune_options = {
    'max_epochs': 6,
    'input_size': 32,
    'lr': 3e-4,
    'param_scheduler.0.gamma': 0.5,
    'num_workers': 0,
    'precision': 'float32',
}
variants = {'in memory': dict(), 'reference': dict(finetune_options=dict(in_memory=False))}
datasets = {
    'PCam': dict(
        config='finetune/resnet34_1xb32-100e_pcam.py',
        examples_per_class=[200],
        # Runs of one seed differ by some 4 points: a margin of 2 needs many.
        repeats=60,
    )
}
