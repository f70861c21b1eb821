import pytest
import torch
from nas_explorer.evaluators.accuracy.augment import Draws, augment, draw, padding


def draws(*, top, left, flip):
    return Draws(top=torch.tensor([top]), left=torch.tensor([left]), flip=torch.tensor([flip]))


IMAGE = torch.arange(1, 65, dtype=torch.uint8).view(1, 1, 8, 8)
FIRST = torch.tensor([0])


def test_the_middle_crop_is_the_image():
    found = augment(IMAGE, draws(top=1, left=1, flip=False), FIRST, "shift+flip")
    assert torch.equal(found, IMAGE)


def test_a_shift_moves_every_pixel_and_fills_with_black():
    # The crop begins above and right of the centre, so the picture moves down and left.
    found = augment(IMAGE, draws(top=0, left=2, flip=False), FIRST, "shift")[0, 0]
    assert torch.equal(found[1:, :-1], IMAGE[0, 0, :-1, 1:])
    assert found[0].sum() == found[:, -1].sum() == 0


def test_a_flip_exchanges_left_and_right_where_asked_for():
    drawn = draws(top=1, left=1, flip=True)
    assert torch.equal(augment(IMAGE, drawn, FIRST, "shift+flip"), IMAGE.flip(-1))
    assert torch.equal(augment(IMAGE, drawn, FIRST, "shift"), IMAGE)


def test_nothing_is_done_where_nothing_is_asked_for():
    assert augment(IMAGE, draws(top=0, left=0, flip=True), FIRST, "none") is IMAGE


def test_every_image_has_its_own_draw():
    images = IMAGE.expand(3, 2, 8, 8)
    drawn = Draws(
        top=torch.tensor([1, 0, 2]),
        left=torch.tensor([1, 0, 2]),
        flip=torch.tensor([False, False, True]),
    )
    order = torch.tensor([2, 0, 1])
    found = augment(images, drawn, order, "shift+flip")
    for place, index in enumerate(order.tolist()):
        alone = augment(images[:1], drawn, torch.tensor([index]), "shift+flip")
        assert torch.equal(found[place], alone[0])


@pytest.mark.parametrize(("resolution", "expected"), [(8, 1), (32, 4), (4, 1)])
def test_padding_is_an_eighth(resolution, expected):
    assert padding(resolution) == expected


def test_draws_cover_every_shift_and_both_sides():
    drawn = draw(2000, 16, torch.Generator().manual_seed(0))
    assert set(drawn.top.tolist()) == set(drawn.left.tolist()) == set(range(5))
    assert 900 < drawn.flip.sum() < 1100
    assert drawn.top.tolist() != drawn.left.tolist()


def test_half_of_the_images_stay_in_place():
    drawn = draw(2000, 16, torch.Generator().manual_seed(0))
    still = ((drawn.top == 2) & (drawn.left == 2)).double().mean()
    # Half of the images, and 1 in 25 of the other half.
    assert abs(still - (0.5 + 0.5 / 25)) < 0.03
