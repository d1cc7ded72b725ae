"""The page with the real lab: its models are small, and the attack takes a second."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

REAL_LAB = True
THERE = ".stage[data-frames='5']"


@pytest.fixture
def open_latent(open_page):
    def go(query: str = "?n=64", **look):
        page = open_page(f"latent{query}", wait=THERE, **look)
        page.wait_for_selector("text=What the paper says")
        return page

    return go


def readout(page) -> str:
    return page.locator(".stage output").inner_text()


def test_the_keyboard_scrubs_gamma_and_the_address_remembers_it(open_latent):
    page = open_latent()
    assert readout(page) == "γ = 40"
    assert "No pixel is changed here" in page.locator(".stAlert").first.inner_text()
    slider = page.locator(".stage input[type=range]")
    assert slider.get_attribute("aria-label") == "γ"
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert readout(page) == "γ = 60"
    assert page.locator(".stage .verdict").inner_text().startswith("At γ = 60, Latent perturbation moved")
    page.wait_for_url("**gamma=60**")
    page.keyboard.press("Home")
    assert "At γ = 0 nothing is changed" in page.locator(".stage .verdict").inner_text()


def test_pictures_are_originals_and_decoded_ones_and_lead_to_no_steps(open_latent):
    page = open_latent("?n=64&gamma=80")
    assert readout(page) == "γ = 80"
    panel = page.locator(".panel.pictures")
    assert "with z + δ" in panel.inner_text()
    assert "Rows of a card: original, decoded." in panel.inner_text()
    panel.locator(".card").first.click()
    assert not panel.locator(".watch").is_visible()
    assert page.locator("h3:text-is('Scores over γ')").is_visible()
    assert "ε" not in page.locator(".stage").inner_text()


def test_it_is_as_readable_in_the_dark_and_on_a_narrow_screen(open_latent):
    page = open_latent(width=900, scheme="dark")
    assert page.locator(".stage.dark").count() == 1
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0


def test_a_step_and_the_pixels_of_the_model_are_a_click_away(open_latent):
    page = open_latent()
    page.get_by_role("radio", name="Re-attack").click()
    page.wait_for_url("**lat_step=Re-attack**")
    page.wait_for_function("() => document.body.innerText.includes('ConvAE+: the hardened model under new networks')")
    page.get_by_role("button", name="Attack the pixels of ConvAE+ instead").click()
    page.wait_for_selector(".st-key-run")
    assert page.locator(".st-key-data input").get_attribute("value") == "Digits"
    assert page.locator(".st-key-model input").get_attribute("value") == "ConvAE+"
