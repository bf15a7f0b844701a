"""What workers that run models may see of the environment."""

from modelwright.app.settings.settings import PEPPER_NAME, without_secrets


def test_neither_the_manifests_secrets_nor_the_pepper_are_handed_on() -> None:
    env = {"PATH": "/bin", "VENDOR_KEY": "sk-1", PEPPER_NAME: "p", "OMP_NUM_THREADS": "2"}
    assert without_secrets(env, ("VENDOR_KEY", "OTHER")) == {"PATH": "/bin", "OMP_NUM_THREADS": "2"}
