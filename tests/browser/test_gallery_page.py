import pytest

from tests.browser.conftest import resize

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]

THERE = ".sheet[data-zoom]"


@pytest.fixture
def open_gallery(open_page):
    def go(query: str, **look):
        page = open_page(f"gallery?seed=401&{query}", wait=THERE, **look)
        page.wait_for_selector(".st-key-see-gallery-cl_mvc")
        return page

    return go


def magnifications(page) -> set[float]:
    """How many CSS pixels a pixel of each picture is wide and high on the screen."""
    script = """(canvases) => canvases.flatMap((canvas) => {
      const box = canvas.getBoundingClientRect();
      return [box.width / canvas.width, box.height / canvas.height];
    })"""
    return set(page.locator(".sheet canvas").evaluate_all(script))


@pytest.mark.parametrize("data", ["noisy_digits", "synthetic_people"])
def test_pictures_are_magnified_by_a_whole_number_and_nothing_is_cut(open_gallery, data):
    page = open_gallery(f"data={data}&gal_models=cl_mvc")
    for width in (1440, 900, 420):
        resize(page, width)
        check_pictures(page)


def check_pictures(page) -> None:
    assert page.locator(".sheet canvas").count() == 12 * 2 * 3
    assert len(found := magnifications(page)) == 1
    assert found.pop() == int(page.locator(".sheet").get_attribute("data-zoom"))
    style = page.locator(".sheet canvas").first.evaluate("(canvas) => getComputedStyle(canvas).imageRendering")
    assert style == "pixelated"
    edges = page.evaluate(
        """() => {
          const sheet = document.querySelector(".sheet") ?? null;
          const find = (root) => root.querySelector(".sheet") ?? [...root.querySelectorAll("*")]
            .map((node) => node.shadowRoot && find(node.shadowRoot)).find(Boolean);
          const found = sheet ?? find(document);
          return [found.scrollWidth - found.clientWidth, document.documentElement.scrollWidth - innerWidth];
        }"""
    )
    assert max(edges) <= 0


def test_the_sheet_says_in_words_what_it_shows(open_gallery):
    page = open_gallery("gal_models=cl_mvc&gal_n=8")
    alt = page.locator(".sheet [role=img]").get_attribute("aria-label")
    assert alt.startswith("CL-MVC on NoisyDigits: clean pictures, noise and adversarial pictures of 8 samples.")
    marked = page.locator(".sheet .cluster.moved").count()
    assert marked == 2 * alt.count(" to ")
    assert marked == page.locator(".sheet canvas.moved").count() > 0


def test_the_other_models_join_one_by_one(open_gallery):
    page = open_gallery("gal_models=cl_mvc&gal_models=ar_dmvc_am")
    assert page.locator(".sheet").count() == 1
    page.locator(".st-key-gallery-run button").first.click()
    page.wait_for_selector(".st-key-see-gallery-ar_dmvc_am")
    page.wait_for_function("document.querySelectorAll('[class*=st-key-gallery-tools-]').length === 2")


def test_a_sheet_is_downloaded_as_a_png(open_gallery):
    page = open_gallery("gal_models=cl_mvc")
    with page.expect_download() as download:
        page.locator(".st-key-save-cl-mvc-png button").first.click()
    assert download.value.suggested_filename == "noisy_digits-cl_mvc-gan-0.3-seed401.png"
    assert download.value.path().read_bytes().startswith(b"\x89PNG")


def test_on_paper_there_are_only_the_sheets_dark_on_white(open_gallery):
    page = open_gallery("gal_models=cl_mvc", scheme="dark")
    page.emulate_media(media="print")
    assert not page.locator("[data-testid=stSidebar]").is_visible()
    assert not page.locator(".st-key-gallery-run").is_visible()
    assert page.locator(".sheet canvas").first.is_visible()
    light = page.locator(".stApp").evaluate("(node) => getComputedStyle(node).backgroundColor")
    assert light == "rgb(255, 255, 255)"
    name = page.locator(".sheet .name").first.evaluate("(node) => getComputedStyle(node).color")
    assert name == "rgb(26, 31, 41)"


def test_the_same_attack_is_open_in_the_lab_with_a_click(open_gallery):
    page = open_gallery("gal_models=cl_mvc&gal_n=16&gal_order=drawn")
    page.locator(".st-key-see-gallery-cl_mvc button").first.click()
    page.wait_for_selector(".stage[data-frames='13']")
    assert page.locator(".verdict").inner_text().startswith("At ε = 0.30, GAN moved")
