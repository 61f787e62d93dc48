"""``--qsession-cassettes`` and ``qsession_cassettes``."""

from plugin_project import USAGE


def yaml_files(project):
    return [name for name in project.files() if name.endswith(".yaml")]


def test_folder_beside_the_configuration(project):
    """From whatever folder pytest is started."""
    project.write(USAGE)
    project.pytester.mkdir("elsewhere")
    project.pytester.chdir()
    project.record("--rootdir=elsewhere").assert_outcomes(passed=1)
    assert yaml_files(project) == ["cassettes/@emulator.yaml", "cassettes/test_it/test_usage.yaml"]


def test_ini_names_the_folder(project):
    """Relative to the configuration."""
    project.write(USAGE, ini="qsession_cassettes = deep/kept")
    project.record().assert_outcomes(passed=1)
    assert yaml_files(project) == ["deep/kept/@emulator.yaml", "deep/kept/test_it/test_usage.yaml"]
    project.run().assert_outcomes(passed=1)


def test_command_line_wins_over_ini(project):
    """For one run."""
    project.write(USAGE, ini="qsession_cassettes = kept")
    project.record("--qsession-cassettes=mine").assert_outcomes(passed=1)
    assert yaml_files(project) == ["mine/@emulator.yaml", "mine/test_it/test_usage.yaml"]


def test_absolute_folder(project, tmp_path_factory):
    """Outside of the project."""
    outside = tmp_path_factory.mktemp("outside")
    project.write(USAGE)
    project.record(f"--qsession-cassettes={outside}").assert_outcomes(passed=1)
    assert yaml_files(project) == []
    assert (outside / "test_it" / "test_usage.yaml").is_file()
    project.run(f"--qsession-cassettes={outside}").assert_outcomes(passed=1)
