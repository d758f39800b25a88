#!/usr/bin/env python3
"""Write the table of docs/robustness.md: what is tried, by which tests, in how many cases.

example:
  PYTHONPATH=. python tests/robustness_table.py
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tabulate import tabulate

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / 'docs' / 'robustness.md'
BEGIN, END = '<!-- table: tests/robustness_table.py -->\n', '<!-- end of table -->\n'
HEADERS = ('fault or hostile input', 'cases', 'outcome')

CHECKPOINTS, FORMATS = 'tests/checkpoints/', 'tests/scribbles/formats/'
STORE, LEASES, PREDICT = 'tests/grid/test_store.py::', 'tests/grid/test_leases.py::', 'tests/apis/test_predict.py::'
LOADING, FILES = 'tests/datasets/transforms/test_loading_', 'tests/test_files.py::'
# What is tried, what comes of it, and the tests; each of their parameters is a case.
ROWS = (
    ('a pickle that calls functions or sets attributes', 'refused, nothing runs', [
        f'{CHECKPOINTS}test_unpickling.py::test_nothing_outside_the_table_is_reached',
        f'{CHECKPOINTS}test_reading.py::test_a_malicious_pickle_does_not_run',
    ]),
    ('a pickle with doctored types, shapes, strides or sizes', 'refused', [
        f'{CHECKPOINTS}test_unpickling.py::test_arguments_are_checked',
        f'{CHECKPOINTS}test_unpickling.py::test_tensors_stay_within_their_storage',
    ]),
    ('a config in a checkpoint that names functions, modules, files or URLs', 'refused, nothing is built', [
        f'{CHECKPOINTS}test_building.py::test_nothing_hostile_is_built',
        f'{CHECKPOINTS}test_building.py::test_every_argument_of_every_registered_class_is_looked_into',
        f'{CHECKPOINTS}test_building.py::test_a_name_that_passes_the_check_is_not_imported',
        f'{CHECKPOINTS}test_building.py::test_deep_configs_end',
        'tests/conversion/test_carry_over.py::test_nothing_is_imported_for_a_config_that_came_with_weights',
        f'{CHECKPOINTS}test_hostile_checkpoints.py::test_no_config_in_a_checkpoint_runs',
    ]),
    ('a hostile checkpoint that is tested, started or resumed from', 'refused, nothing runs', [
        f'{CHECKPOINTS}test_hostile_checkpoints.py::test_no_pickle_runs_by_testing_or_starting_from_it',
        f'{CHECKPOINTS}test_hostile_checkpoints.py::test_nothing_runs_by_resuming_from_it',
        f'{CHECKPOINTS}test_reading.py::test_text_that_mmengine_would_execute_on_resuming_is_left_out',
    ]),
    ('a checkpoint named by a URL', 'refused, nothing is fetched', [
        f'{CHECKPOINTS}test_reading.py::test_nothing_is_fetched',
    ]),
    ('a config text that is more than values', 'refused, nothing is executed', [
        f'{CHECKPOINTS}test_reading.py::test_a_config_that_would_have_to_run_is_a_user_error',
    ]),
    ('a flipped bit, a compressed archive, half a file, no checkpoint', 'refused', [
        f'{CHECKPOINTS}test_unpickling.py::test_a_flipped_bit_anywhere_in_the_numbers_is_found',
        f'{CHECKPOINTS}test_unpickling.py::test_a_compressed_archive_is_not_unpacked',
        f'{CHECKPOINTS}test_reading.py::test_what_is_no_checkpoint_is_a_user_error',
    ]),
    ('a model card with wrong types, ranges, repeated or too many names; NaN weights', 'refused, with the field', [
        f'{PREDICT}test_a_malformed_card_is_one_error_that_names_the_field',
        f'{PREDICT}test_malformed_metadata_are_one_error',
        f'{PREDICT}test_a_config_without_a_model_is_one_error',
        f'{PREDICT}test_weights_that_are_no_numbers_are_an_error',
    ]),
    ('a setting with a value that it cannot have', 'refused, with what it takes; nothing is built', [
        'tests/settings/test_schema.py::test_what_it_does_not_take_is_one_clear_error',
        'tests/settings/test_options.py::test_a_setting_with_a_wrong_value_ends_before_anything_is_built',
    ]),
    ('a key that there is not, a value of another kind', 'refused, with what there is', [
        'tests/settings/test_loading.py::test_a_typo_is_an_error_with_a_suggestion',
        'tests/settings/test_loading.py::test_an_override_of_what_is_not_there_is_an_error',
        'tests/settings/test_options.py::test_a_misspelt_last_part_is_an_error_with_a_suggestion',
        'tests/settings/test_options.py::test_a_value_of_another_kind_is_an_error',
    ]),
    ('a config whose values do not fit its classes', 'refused before the first step, with the class', [
        'tests/engine/test_construction.py::test_a_config_that_does_not_fit_is_one_error',
    ]),
    ('a tile that cannot be read', 'named; the others are classified; status 1', [
        f'{PREDICT}test_a_bad_tile_costs_no_other',
    ]),
    ('a folder of tiles that cannot be read', 'refused', [
        f'{PREDICT}test_a_folder_that_cannot_be_read_is_an_error',
        f'{PREDICT}test_a_folder_that_the_system_refuses_is_an_error',
    ]),
    ('images that are cut off, of 16 bits, transparent, too large or no files', 'refused', [
        f'{LOADING}image.py::test_truncated_file_is_refused',
        f'{LOADING}image.py::test_a_png_with_a_short_header_is_refused',
        f'{LOADING}image.py::test_what_nobody_can_know_the_colours_of_is_refused',
        'tests/test_image_files.py::test_a_damaged_file_is_an_image_or_one_error',
        'tests/test_image_files.py::test_what_a_chunk_of_a_png_claims_takes_no_memory',
        'tests/test_image_files.py::test_opencv_says_nothing_of_its_own',
    ]),
    ('a mask with a class that there is not', 'refused', [
        f'{LOADING}masks.py::test_a_class_that_there_is_not_is_an_error',
    ]),
    ('HDF5 arrays that are virtual, external, linked or not all written', 'refused', [
        'tests/test_hdf5.py::test_others_are_an_error',
    ]),
    ('malformed annotations: XML and JSON bombs, wrong types, absurd sizes', 'refused, with file and fault', [
        f'{FORMATS}test_other_formats.py::test_a_fault_is_one_error_that_names_the_file',
        f'{FORMATS}test_clicks.py::test_every_fault_is_one_error_that_names_the_file',
        f'{FORMATS}test_scribblesup.py::',
    ]),
    ('bad files among good ones, names that no file may have', 'named; the others are converted; status 1', [
        'tests/scribbles/test_tool.py::test_a_conversion_goes_on_after_any_bad_file',
        'tests/scribbles/test_tool.py::test_synthesize_finishes_the_rest_and_lists_what_it_skipped',
    ]),
    ('spoilt records of a grid, pipes and stray files among them', 'named; the other cells are read', [
        f'{STORE}test_a_spoilt_file_is_named_and_the_others_are_read',
        f'{STORE}test_a_field_of_another_type_is_named',
        f'{STORE}test_a_pipe_is_no_record',
        f'{STORE}test_stray_files_among_the_cells_are_none',
        f'{STORE}test_a_spoilt_plan_is_named',
        f'{STORE}test_the_remedy_of_spoilt_scores_makes_the_grid_whole',
        f'{STORE}test_a_member_of_the_scores_that_is_no_array_is_named',
    ]),
    ('claims that are garbage, folders, links or from the future', 'they lapse', [
        f'{LEASES}test_what_is_no_file_is_no_claim',
        f'{LEASES}test_a_claim_from_the_future_does_not_hold_for_ever',
        f'{LEASES}test_an_unreadable_claim_lapses_by_its_age',
    ]),
    ('a wrong path in any argument of any tool', 'one error that names it, nothing is written', [
        'tests/tools/test_wrong_paths.py::test_a_wrong_path',
    ]),
    ('a full disk, no permission, a busy or missing file, in workers too', 'one error with path and remedy', [
        'tests/test_errors.py::test_what_the_operating_system_refuses',
        'tests/test_errors.py::test_what_it_refuses_to_a_worker_reads_the_same',
        'tests/test_errors.py::test_the_first_of_two_errors_is_shown',
        'tests/test_errors.py::test_output_that_cannot_be_written_is_an_error',
        f'{FILES}test_an_error_names_the_file_and_not_the_temporary_one',
        f'{FILES}test_a_lock_leaves_nothing_on_a_full_disk',
        'tests/test_image_files.py::test_a_disk_that_takes_half_an_image_leaves_none',
        'tests/engine/test_runner.py::',
        'tests/grid/test_worker.py::test_a_full_disk_is_one_error_and_leaves_the_cell_free',
        'tests/grid/test_worker.py::test_a_full_disk_in_a_training_fails_no_cell',
        f'{CHECKPOINTS}test_reading.py::test_a_disk_that_takes_no_more_is_named_with_the_file',
        'tests/engine/hooks/test_checkpoints.py::test_a_full_disk_costs_no_older_checkpoint',
    ]),
    ('a process that is killed while it writes', 'the old file stays; the next run clears up', [
        f'{FILES}test_what_a_killed_process_left_is_removed_by_the_next_one',
        f'{FILES}test_what_another_machine_left_is_removed_after_a_day',
    ]),
    ('names of classes and files that are formulas', 'text in the table', [
        f'{FILES}test_a_table_has_no_formulas',
        f'{PREDICT}test_names_that_are_formulas_stay_text',
    ]),
    ('spoilt files of every kind, drawn anew (the short round)', 'one error, or read', [
        'tests/fuzz/test_short_round.py::test_spoilt_files_are_one_error',
        'tests/fuzz/test_short_round.py::test_any_bytes_are_one_error',
        'tests/fuzz/test_short_round.py::test_what_was_found_is_one_error',
    ]),
)  # fmt: skip


def collected() -> list[str]:
    """The tests of all files that the rows name, one entry a case."""
    files = sorted({test.split('::')[0] for _, _, tests in ROWS for test in tests})
    command = [sys.executable, '-m', 'pytest', '--collect-only', '-q', '-m', '', '-p', 'no:cacheprovider', *files]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    return [line for line in done.stdout.splitlines() if '::' in line]


def main() -> None:
    """Count, and write the table."""
    nodes = collected()
    rows = []
    for what, outcome, tests in ROWS:
        counts = [sum(node == test or node.startswith((f'{test}[', *[test] * test.endswith('::'))) for node in nodes)
                  for test in tests]  # fmt: skip
        if not all(counts):
            raise SystemExit(f'{what}: no test for {[test for test, n in zip(tests, counts, strict=True) if not n]}')
        rows.append((what, sum(counts), outcome))
    page = PAGE.read_text(encoding='utf-8')
    head, rest = page.split(BEGIN)
    table = tabulate(rows, HEADERS, 'github')
    PAGE.write_text(f'{head}{BEGIN}{table}\n{END}{rest.split(END)[1]}', encoding='utf-8')
    print(table)


if __name__ == '__main__':
    main()
